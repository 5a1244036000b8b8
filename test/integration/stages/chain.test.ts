import { randomUUID } from 'node:crypto';
import { type Envelope, eventKey, type ModelUse, payloadDigest, registry } from '@memfleet/events';
import { Progress, type Queryable } from '@memfleet/runtime';
import { type Outcome, TenantQueue } from '@memfleet/stages';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { OutputGate } from '../../../shared/stages/src/admission/output-gate.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { claim } from '../../../shared/stages/src/claims/dedupe.ts';
import { advance, type ClaimedJob, type Settled } from '../../../shared/stages/src/job.ts';
import { Chain } from '../../../shared/stages/src/pipeline/chain.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { readLog } from '../../support/log-stream.ts';
import { createStageBench, silent, type StageBench } from '../../support/stage.ts';

const IDENTITY = { name: 'test', version: 1 };
const LONG = 60_000;
const NEVER = new AbortController().signal;

let bench: StageBench;
beforeAll(async () => {
  bench = await createStageBench();
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await bench.database.pool.query('truncate memfleet.stage_work, memfleet.spend');
});

/** A claimed event, and the answers sent to the broker about it. */
interface Claimed {
  readonly job: ClaimedJob;
  readonly event: Envelope;
  readonly said: string[];
}

/** Each call claims for a new owner; the earlier claim must have expired. */
async function claimFor(event: Envelope, slots: Slots): Promise<Claimed> {
  await bench.database.pool.query(
    `update memfleet.stage_work set lease_until = now() - interval '1 s'`,
  );
  const said: string[] = [];
  const say = (what: string) => async (): Promise<void> => {
    said.push(what);
  };
  const message = {
    subject: `${bench.config.log.root}.0.acme.note.content.created`,
    data: Buffer.from(JSON.stringify(event)),
    redrives: 0,
    info: { consumer: 'test', streamSequence: 1, deliveryCount: 1 },
    working: say('working'),
    ack: say('ack'),
    ackAck: say('ack'),
    nak: say('nak'),
    term: say('term'),
  };
  const decoded = registry.upcast(event);
  if (decoded.kind !== 'known') throw new Error('the test event is not valid');
  const [key, token] = [eventKey(event), randomUUID()];
  const digest = payloadDigest(event);
  const request = { key, tenant: 'acme', eventId: event.id, sequence: 1, digest };
  const [found] = await claim(bench.database.pool, IDENTITY, [request], token, LONG);
  expect(found).toMatchObject({ kind: 'claimed' });
  const job = advance(slots.hold(message as unknown as Delivery), {
    decoded,
    event,
    request,
    claim: { key, token, redrives: 0 },
    sequence: 1,
    attempts: 1,
    abandoned: 0,
  });
  return { job, event, said };
}

interface Settling {
  readonly chain: Chain<string>;
  readonly persisted: string[];
}

function settling(config = bench.config): Settling {
  const persisted: string[] = [];
  const chain = new Chain<string>({
    stage: {
      ...IDENTITY,
      handle: () => Promise.reject(new Error('not called here')),
      async persist(_: Queryable, extras: readonly string[]) {
        persisted.push(...extras);
      },
    },
    config,
    settings: { ...config.stages.extraction, batch: 10, linger: 20, maxAttempts: 3 },
    connection: bench.broker.connection,
    pool: bench.database.pool,
    progress: new Progress(),
    log: silent,
    slots: new Slots(10),
    output: new OutputGate(),
    queue: new TenantQueue({
      db: bench.database.pool,
      jsm: bench.broker.jsm,
      stage: IDENTITY.name,
      stream: config.log.stream,
      ackWaitMs: LONG,
      log: silent,
    }),
    shutdown: { stop: NEVER, handBack: NEVER, end: NEVER },
  });
  return { chain, persisted };
}

/** The configuration of a log that takes only small events. */
function withSmallLimit(): StageBench['config'] {
  return { ...bench.config, log: { ...bench.config.log, maxDataBytes: 100 } };
}

function done({ event }: Claimed, what: string): Extract<Outcome<string>, { kind: 'done' }> {
  const derived = nothingExtracted(event as never, 1, IDENTITY);
  return {
    kind: 'done',
    events: [{ ...derived, data: { ...derived.data, empty_reason: what } }],
    extra: what,
  };
}

async function settleAll(
  { chain }: Settling,
  ones: readonly { readonly claimed: Claimed; readonly outcome: Outcome<string> }[],
): Promise<Settled[]> {
  return await Promise.all(
    ones.map(({ claimed: { job }, outcome }) => chain.settle(advance(job, { outcome }))),
  );
}

/** The event's results in the log: the reasons of its derived events. */
async function derivedFrom({ event }: Claimed): Promise<unknown[]> {
  const stored = await readLog(bench.broker.connection, bench.config.log);
  return stored
    .map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as Envelope)
    .filter(({ causationid }) => causationid === event.id)
    .map(({ data }) => (data as { empty_reason?: string }).empty_reason);
}

/** One process that holds one event under two claims, the first of them stale. */
async function twice(): Promise<{ readonly stale: Claimed; readonly live: Claimed }> {
  const event = memoryCreated(`note ${randomUUID()}`);
  const slots = new Slots(10);
  const stale = await claimFor(event, slots);
  return { stale, live: await claimFor(event, slots) };
}

test.each(['stale', 'live'])(
  'when one flush has two results for one event, only that of the live claim exists (%s first)',
  async (first) => {
    const { stale, live } = await twice();
    const work = settling();
    const both = [
      { claimed: stale, outcome: done(stale, 'stale') },
      { claimed: live, outcome: done(live, 'live') },
    ];
    const settled = await settleAll(work, first === 'stale' ? both : both.toReversed());
    expect(first === 'stale' ? settled : settled.toReversed()).toEqual(['lost', 'done']);
    expect(await derivedFrom(live)).toEqual(['live']);
    expect(work.persisted).toEqual(['live']);
    expect([stale.said, live.said]).toEqual([[], ['ack']]);
    expect(await bench.work()).toMatchObject([{ state: 'done', published: true }]);
  },
);

test('a retry under a stale claim is not naked while the live one works', async () => {
  const { stale, live } = await twice();
  const again: Outcome<string> = { kind: 'retry', afterMs: 0, cause: 'no', countsAsAttempt: true };
  // The live claim is given back in the same flush.
  const outcomes = [
    { claimed: stale, outcome: again },
    { claimed: live, outcome: { ...again, countsAsAttempt: false } },
  ];
  expect(await settleAll(settling(), outcomes)).toEqual(['lost', 'retried']);
  expect([stale.said, live.said]).toEqual([[], ['nak']]);
  expect(await bench.work()).toMatchObject([{ state: 'claimed', attempts: 0 }]);
});

test('a stale claim parks nothing', async () => {
  const { stale, live } = await twice();
  const before = await bench.deadLetters();
  const outcomes = [
    {
      claimed: stale,
      outcome: { kind: 'park', reason: 'invalid_input', message: 'stale' } as const,
    },
    { claimed: live, outcome: done(live, 'live') },
  ];
  expect(await settleAll(settling(), outcomes)).toEqual(['lost', 'done']);
  expect(await bench.deadLetters()).toBe(before);
  expect([stale.said, live.said]).toEqual([[], ['ack']]);
});

test('a result that was recorded under larger limits is published all the same', async () => {
  const claimed = await claimFor(memoryCreated(`note ${randomUUID()}`), new Slots(10));
  const { events } = done(claimed, 'x'.repeat(200));
  const { chain } = settling(withSmallLimit());
  expect(
    await chain.settleAgain(claimed.job, {
      kind: 'finished',
      state: 'done',
      unpublished: JSON.stringify(events),
      redrives: 0,
    }),
  ).toBe('done');
  expect(await derivedFrom(claimed)).toEqual(['x'.repeat(200)]);
  // A new result must keep to the current limits.
  const next = await claimFor(memoryCreated(`note ${randomUUID()}`), new Slots(10));
  const outcome = done(next, 'x'.repeat(200));
  expect(await chain.settle(advance(next.job, { outcome }))).toBe('parked');
  expect(await derivedFrom(next)).toEqual([]);
});

test('a result that the log would refuse is parked with its cost', async () => {
  const claimed = await claimFor(memoryCreated(`note ${randomUUID()}`), new Slots(10));
  const use: ModelUse = {
    usage: { calls: 2, input_tokens: 700, output_tokens: 30 },
    cost_usd: 0.25,
    duration_ms: 12,
    cached: false,
  };
  const work = settling(withSmallLimit());
  const outcome = { ...done(claimed, 'x'.repeat(200)), use };
  expect(await settleAll(work, [{ claimed, outcome }])).toEqual(['parked']);
  expect([work.persisted, claimed.said]).toEqual([[], ['term']]);
  const cost = `calls::int, input_tokens::int as input, output_tokens::int as output, cost_usd as usd`;
  const paid = { calls: 2, input: 700, output: 30, usd: 0.25 };
  const { pool } = bench.database;
  const recorded = await pool.query(`select state, reason, ${cost} from memfleet.stage_work`);
  expect(recorded.rows).toEqual([{ state: 'parked', reason: 'invalid_output', ...paid }]);
  const spent = await pool.query(`select ${cost} from memfleet.spend where tenant = 'acme'`);
  expect(spent.rows).toEqual([paid]);
});
