import { setTimeout as delay } from 'node:timers/promises';
import { createPool, type Pool } from '@memfleet/runtime';
import type { Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { renewalSettings } from '../../../shared/stages/src/pipeline/heartbeat.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';
import { startTcpGate, type TcpGate } from '../../support/tcp-gate.ts';
import { until } from '../../support/until.ts';

const IDENTITY = { name: 'test', version: 1 };
const EVENTS = 40;
/** The last of these events are in a call when the database goes away. */
const CALLED = 6;
const PROCESSES = 2;

/** One process's own path to the database, and how often it has looked into the queue. */
interface Way extends AsyncDisposable {
  readonly gate: TcpGate;
  readonly pool: Pool;
  readonly looks: () => number;
}

async function wayTo({ config, database }: StageBench): Promise<Way> {
  const url = new URL(database.url);
  const gate = await startTcpGate(url.hostname, Number(url.port));
  url.hostname = '127.0.0.1';
  url.port = String(gate.port);
  const pool = createPool(url.href, config.database, { name: 'test' });
  let looks = 0;
  const query = pool.query.bind(pool) as (...all: unknown[]) => Promise<unknown>;
  pool.query = (async (...asked: [{ name?: string }]) => {
    const answer = await query(...asked);
    if (asked[0].name === 'tenant-queue-waiting') looks += 1;
    return answer;
  }) as typeof pool.query;
  return {
    gate,
    pool,
    looks: () => looks,
    async [Symbol.asyncDispose]() {
      gate.open();
      await pool.end();
      await gate[Symbol.asyncDispose]();
    },
  };
}

/** Events that somebody works on: by claims and queue rows, live or expired. */
async function inHand({ database }: StageBench, hasRunOut: boolean): Promise<number[]> {
  const is = hasRunOut ? '<=' : '>';
  const { rows } = await database.pool.query<{ claims: number; taken: number }>(
    `select (select count(*)::int from memfleet.stage_work
         where state = 'claimed' and lease_until ${is} now()) as claims,
       (select count(*)::int from memfleet.tenant_queue where taken_until ${is} now()) as taken`,
  );
  return [rows[0]?.claims ?? 0, rows[0]?.taken ?? 0];
}

test.each([
  ['is held up', (gate: TcpGate) => gate.close()],
  ['refuses', (gate: TcpGate) => gate.cut()],
])(
  'a database that %s for longer than lease and ack wait causes no second call from the queue',
  async (_, goAway) => {
    await using bench = await createStageBench({
      'stages.extraction.ackWait': '2s',
      'stages.extraction.lease': '2s',
      'stages.extraction.concurrency': '8',
      'stages.extraction.batch': '8',
      'stages.extraction.fairness.after': '100ms',
      'database.poolSize': '4',
    });
    await bench.publish(
      ...Array.from({ length: EVENTS }, (__, index) => memoryCreated(`note ${index}`)),
    );
    const [pause, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    const calls: number[] = [];
    const stage: Stage = {
      ...IDENTITY,
      async handle(event, { sequence }) {
        calls.push(sequence);
        if (sequence > EVENTS - CALLED) await answer.promise;
        else if (calls.length > PROCESSES * 8) await pause.promise;
        else await delay(300);
        return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
      },
    };
    await using first = await wayTo(bench);
    await using second = await wayTo(bench);
    const ways = [first, second];
    for (const { pool } of ways) bench.start(stage, { pool, turns: true });
    // The whole log has been read ahead, and all later calls are for events from the queue.
    await until('the rest waits by tenant', async () => {
      const { rows } = await bench.database.pool.query('select from memfleet.tenant_queue');
      const info = await bench.broker.jsm.consumers.info(bench.config.log.stream, 'extraction');
      return rows.length >= CALLED && info.num_pending + info.num_ack_pending === 0;
    });
    pause.resolve();
    await until('the last are called, and nothing else is in hand', async () => {
      const [claims, taken] = await inHand(bench, false);
      return calls.length === EVENTS && claims === CALLED && taken === CALLED;
    });
    for (const { gate } of ways) goAway(gate);
    await until('everything has expired', async () => {
      const [claims, taken] = await inHand(bench, true);
      return claims === CALLED && taken === CALLED;
    });
    for (const { gate } of ways) gate.open();
    const before = ways.map(({ looks }) => looks());
    await until('everything is held again', async () => {
      const [claims, taken] = await inHand(bench, false);
      return claims === CALLED && taken === CALLED;
    });
    // Each has looked for work several times, and has slots for it.
    await until('each has looked', () =>
      ways.every(({ looks }, index) => looks() >= (before[index] ?? 0) + 4),
    );
    answer.resolve();
    await until('all is done', async () => (await bench.derived()) === EVENTS);
    expect(calls.toSorted((a, b) => a - b)).toEqual(
      Array.from({ length: EVENTS }, (__, index) => index + 1),
    );
    const rows = await bench.work();
    expect(rows.every(({ state }) => state === 'done')).toBe(true);
    expect(rows.filter(({ abandoned, attempts }) => abandoned + attempts > 0)).toEqual([]);
    expect(await bench.deadLetters()).toBe(0);
  },
);

test('claims are renewed while other work has every connection', async () => {
  await using bench = await createStageBench({
    'stages.extraction.ackWait': '2s',
    'stages.extraction.lease': '2s',
    'database.poolSize': '3',
  });
  const { database: settings, stages } = bench.config;
  const { url } = bench.database;
  const pool = createPool(url, settings, { name: 'test' });
  const renewals = createPool(url, renewalSettings(settings, stages.extraction), { name: 'test' });
  const answer = Promise.withResolvers<void>();
  let calls = 0;
  const stage: Stage = {
    ...IDENTITY,
    async handle(event, { sequence }) {
      calls += 1;
      await answer.promise;
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    },
  };
  const running = bench.start(stage, { pool, renewals });
  await bench.publish(memoryCreated('note'));
  await until('it is called', () => calls === 1);
  const taken = await Promise.all(Array.from({ length: settings.poolSize }, () => pool.connect()));
  const leaseUntil = async (): Promise<number> => {
    const { rows } = await bench.database.pool.query<{ ms: number }>(
      `select (extract(epoch from lease_until) * 1000)::float8 as ms from memfleet.stage_work`,
    );
    return rows[0]?.ms ?? 0;
  };
  const first = await leaseUntil();
  const longer = 2 * stages.extraction.lease;
  await until('it is renewed', async () => (await leaseUntil()) >= first + longer);
  for (const client of taken) client.release();
  answer.resolve();
  await until('it is done', async () => (await bench.derived()) === 1);
  await running.stop();
  expect(calls).toBe(1);
  expect(await bench.work()).toMatchObject([{ state: 'done', abandoned: 0, published: true }]);
  await Promise.all([pool.end(), renewals.end()]);
});
