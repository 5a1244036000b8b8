import { setTimeout as delay } from 'node:timers/promises';
import { ProviderError, ProviderGate } from '@memfleet/models';
import { type Stage, TenantQueue } from '@memfleet/stages';
import { expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { Admission } from '../../../shared/stages/src/admission/admission.ts';
import { OutputGate } from '../../../shared/stages/src/admission/output-gate.ts';
import { RequestSize } from '../../../shared/stages/src/admission/request-size.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { TenantFairness } from '../../../shared/stages/src/fairness/tenant-fairness.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { traceQueue } from '../../support/queue-trace.ts';
import { createStageBench, silent, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const IDENTITY = { name: 'test', version: 1 };
const CALL_MS = 50;

/** A stage with a slow model. */
function slow(): Stage {
  return {
    ...IDENTITY,
    async handle(event, { sequence }) {
      await delay(CALL_MS);
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    },
  };
}

async function publish(bench: StageBench, tenant: string, events: number): Promise<void> {
  const batch = Array.from({ length: events }, (_, index) =>
    memoryCreated(`note ${index} of ${tenant}`, { tenant, memory: `m${index}` }),
  );
  for (let from = 0; from < events; from += 500) {
    await bench.publisher.appendBatch(batch.slice(from, from + 500));
  }
}

async function done({ database }: StageBench, tenant: string): Promise<number> {
  const { rows } = await database.pool.query<{ events: number }>(
    `select count(*)::int as events from memfleet.stage_work where tenant = $1 and state = 'done'`,
    [tenant],
  );
  return rows[0]?.events ?? 0;
}

async function queued({ database }: StageBench): Promise<number> {
  const { rows } = await database.pool.query<{ events: number }>(
    'select count(*)::int as events from memfleet.tenant_queue',
  );
  return rows[0]?.events ?? 0;
}

/** An outage, as the gate sees it. */
async function closed(gate: ProviderGate): Promise<void> {
  while (gate.cause === undefined) {
    const call = gate.call(() => Promise.reject(new ProviderError('transient', 'down')));
    await expect(call).rejects.toThrow('down');
  }
}

test('behind a flood of one tenant, another is served within the stated bound', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.batch': '256',
  });
  const flood = 5_000;
  await publish(bench, 'flood', flood);
  const stage = bench.start(slow(), { turns: true });
  await until('it works on the flood', async () => (await done(bench, 'flood')) > 0);
  const floodBefore = await done(bench, 'flood');
  await publish(bench, 'small', 20);
  await until('the small tenant is served', async () => (await done(bench, 'small')) === 20);
  const floodMeanwhile = (await done(bench, 'flood')) - floodBefore;
  // In the order of the log all 5,000 would come first. The bound of fairness/tenant-fairness.ts: noticing, reading
  // ahead, a free slot, and twenty turns of two tenants; counted in calls, since a slow machine makes fewer.
  const boundMs = 1_000 + 1_000 + (flood / 2_000) * 1_000 + CALL_MS + (20 * CALL_MS * 2) / 8;
  expect(floodMeanwhile).toBeLessThan((boundMs / CALL_MS) * 8);
  // The flood does not stand still either: it has its share of the slots.
  expect(floodMeanwhile).toBeGreaterThan(20);
  await stage.stop();
});

test('events that wait by tenant are worked on to the last, whichever process put them there', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.batch': '32',
    'stages.extraction.fairness.after': '100ms',
  });
  await publish(bench, 'flood', 300);
  await publish(bench, 'small', 20);
  {
    await using first = bench.start(slow(), { turns: true });
    await until('events wait by tenant', async () => (await queued(bench)) > 50);
    await first.stop();
  }
  const left = 320 - (await done(bench, 'flood')) - (await done(bench, 'small'));
  expect(left).toBeGreaterThan(0);
  bench.start(slow(), { turns: true });
  await until('all is done', async () => (await bench.derived()) === 320);
  await until('the queue is empty', async () => (await queued(bench)) === 0);
  await bench.settled();
  expect(await bench.deadLetters()).toBe(0);
  const rows = await bench.work();
  expect(rows).toHaveLength(320);
  expect(rows.every(({ state, published }) => state === 'done' && published)).toBe(true);
});

test('events that wait by tenant are worked on even if the provider is now a local one', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.batch': '32',
    'stages.extraction.fairness.after': '100ms',
  });
  await publish(bench, 'flood', 300);
  {
    await using first = bench.start(slow(), { turns: true });
    await until('events wait by tenant', async () => (await queued(bench)) > 50);
    await first.stop();
  }
  const trace = await traceQueue(bench.database.pool);
  // The log goes on meanwhile.
  await publish(bench, 'small', 100);
  const local = bench.start(slow(), { turns: false });
  await until('the queue is empty', async () => (await queued(bench)) === 0);
  await until('all is done', async () => (await bench.derived()) === 400);
  await bench.settled();
  expect((await trace()).put).toBe(0);
  expect(await bench.deadLetters()).toBe(0);
  await local.stop();
});

test('an outage is no flood: tenants take no turns, and it ends by itself', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.fairness.after': '100ms',
  });
  const events = 40;
  await publish(bench, 'one', events);
  const trace = await traceQueue(bench.database.pool);
  const gate = new ProviderGate();
  // True from the start: on a slow machine, the first calls may wait longer than `after` without an outage.
  await closed(gate);
  let calls = 0;
  let queuedInOutage: number | undefined;
  const stage: Stage = {
    ...IDENTITY,
    async handle(event, { sequence }) {
      await gate.call(async () => {
        calls += 1;
        // Each probe comes from the log, and finds that it has hardly moved.
        if (calls <= 2) throw new ProviderError('transient', 'no answer');
        queuedInOutage ??= (await trace()).put;
      });
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    },
  };
  const running = bench.start(stage, { gate, turns: true });
  await until('all is done', async () => (await done(bench, 'one')) === events);
  expect(queuedInOutage).toBe(0);
  await running.stop();
});

/** Tenants take turns as soon as an event waits for a slot. @returns also the number of looks at the queue */
function fairnessOf(bench: StageBench, gate: ProviderGate, slots: Slots) {
  const queue = new TenantQueue({
    db: bench.database.pool,
    jsm: bench.broker.jsm,
    stage: IDENTITY.name,
    stream: bench.config.log.stream,
    ackWaitMs: 1_000,
    log: silent,
  });
  const options = {
    queue,
    areTurnsAllowed: true,
    takeOverUntil: () => undefined,
    gate: new Admission(gate, new OutputGate()),
    batch: 8,
    afterMs: 1,
    lookahead: 100,
    log: silent,
  };
  let looks = 0;
  const waiting = queue.waiting.bind(queue);
  queue.waiting = async (...asked) => {
    looks += 1;
    return await waiting(...asked);
  };
  return { fairness: new TenantFairness(options, slots), looks: () => looks };
}

test('when an outage begins during turns with no event waiting, one event is read ahead as a probe', async () => {
  await using bench = await createStageBench();
  const { signal } = new AbortController();
  const gate = new ProviderGate();
  const slots = new Slots(1);
  // No code here looks at its message.
  slots.hold({} as Delivery);
  const { fairness } = fairnessOf(bench, gate, slots);
  await fairness.patience(signal);
  expect(fairness.areTurnsTaken).toBe(true);
  expect(await fairness.roomAhead(signal)).toBe(8);
  await closed(gate);
  expect(await fairness.roomAhead(signal)).toBe(1);
  expect(gate.cause).toBe('the service fails: down');
});

test('turns end when other processes have taken the events behind the last delivery', async () => {
  await using bench = await createStageBench();
  const stop = new AbortController();
  const slots = new Slots(1);
  slots.hold({} as Delivery);
  const { fairness, looks } = fairnessOf(bench, new ProviderGate(), slots);
  const size = new RequestSize(slots, { batch: 8, lingerMs: 0, sources: 1 });
  const giving = fairness.deliveries(size, stop.signal).next();
  const subject = 'memory.acme.note.content.created';
  const delivery = { subject, redrives: 0, info: { consumer: 'extraction', pending: 50 } };
  fairness.delivered([delivery as Delivery]);
  await fairness.patience(stop.signal);
  const lookedAtAgain = async (): Promise<void> => {
    const before = looks();
    await until('the queue was looked at', () => looks() >= before + 2);
  };
  await lookedAtAgain();
  expect(fairness.areTurnsTaken).toBe(true);
  fairness.nothingCame('another');
  await lookedAtAgain();
  expect(fairness.areTurnsTaken).toBe(true);
  fairness.nothingCame('extraction');
  await until('no turns are taken', () => !fairness.areTurnsTaken);
  stop.abort();
  expect(await giving).toEqual({ done: true, value: undefined });
});

test('a stage that keeps up reads only the log', async () => {
  await using bench = await createStageBench({ 'stages.extraction.fairness.after': '30s' });
  const trace = await traceQueue(bench.database.pool);
  await publish(bench, 'one', 40);
  bench.start(slow(), { turns: true });
  await bench.settled();
  expect(await bench.derived()).toBe(40);
  expect((await trace()).put).toBe(0);
});
