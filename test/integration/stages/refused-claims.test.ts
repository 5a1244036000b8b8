import { setTimeout as delay } from 'node:timers/promises';
import { park, retry } from '@memfleet/stages';
import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { coded, failingPool, refused } from '../../support/failing-pool.ts';
import { createStageBench } from '../../support/stage.ts';
import {
  callsOf,
  deliveries,
  type Handle,
  IDENTITY,
  notes,
  pausedBecause,
  storesNothing,
  storing,
} from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

/*
 * What happens while claims, their marks and their releases cannot be written.
 */

test.concurrent('events that cannot be claimed pause the stage, and are claimed when they can be', async () => {
  await using bench = await createStageBench({ 'stages.extraction.batch': '8' });
  await bench.publish(...notes(30));
  const front = failingPool(bench.database.pool);
  front.fail = (name) => (name === 'stage-claim' ? coded('42501', 'permission denied') : undefined);
  const stage = storing(storesNothing);
  const running = bench.start(stage, { pool: front.pool });
  await pausedBecause(running, /events cannot be claimed: permission denied/);
  const before = await deliveries(bench);
  await until('it is refused again and again', () => front.failed.length > 3);
  expect(await deliveries(bench)).toBe(before);
  expect(stage.calls).toEqual([]);
  front.fail = () => undefined;
  await bench.settled();
  expect(stage.calls).toHaveLength(30);
});

test.concurrent('an answer that comes later than its lease is asked for again before anything is called', async () => {
  const lease = 1_000;
  await using bench = await createStageBench({ 'stages.extraction.lease': `${lease}ms` });
  const { pool } = bench.database;
  await bench.publish(...notes(3));
  let asked = 0;
  const late = new Proxy(pool, {
    get(target, property) {
      if (property !== 'query') return Reflect.get(target, property) as unknown;
      return async (statement: QueryConfig): Promise<unknown> => {
        const answer: unknown = await target.query(statement);
        if (statement.name !== 'stage-claim') return answer;
        asked += 1;
        if (asked > 1) return answer;
        // As if the process were stopped, and another one took the events for a dead worker's.
        await pool.query(
          `update memfleet.stage_work set lease_token = gen_random_uuid(), lease_until = now() + interval '1 h'`,
        );
        await delay(lease);
        return answer;
      };
    },
  });
  const stage = storing(storesNothing);
  const running = bench.start(stage, { pool: late, renewals: pool });
  await until('it is asked again', () => asked > 1);
  await until('they are left to the other', () => running.progress.inFlight === 0);
  expect(stage.calls).toEqual([]);
});

test.concurrent('what is published while the database is away is marked before it is acked', async () => {
  await using bench = await createStageBench();
  await bench.publish(...notes(20));
  const front = failingPool(bench.database.pool);
  front.fail = (name) => (name === 'stage-published' ? refused() : undefined);
  const stage = storing(storesNothing);
  const running = bench.start(stage, { pool: front.pool });
  await until('all is published', async () => (await bench.derived()) === 20);
  await until('it is tried again', () => front.failed.length > 2);
  const { stream } = bench.config.log;
  const held = await bench.broker.jsm.consumers.info(stream, 'extraction');
  expect(held.num_ack_pending).toBe(20);
  front.fail = () => undefined;
  await bench.settled();
  expect((await bench.work()).every(({ published }) => published)).toBe(true);
  expect(stage.calls).toHaveLength(20);
  expect(running.progress.counts).toEqual({ done: 20 });
});

test.concurrent('what could not be marked before the end is not acked, and marked by the next', async () => {
  await using bench = await createStageBench({ 'workers.shutdownGrace': '1s' });
  const [bad, ...good] = notes(4);
  await bench.publish(...(bad === undefined ? good : [bad, ...good]));
  const front = failingPool(bench.database.pool);
  front.fail = (name) => (name === 'stage-published' ? refused() : undefined);
  const handle: Handle = async (event, { sequence }) =>
    sequence === 1
      ? park('invalid_input', 'cannot be read')
      : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  const stage = storing(storesNothing, handle);
  {
    await using first = bench.start(stage, { pool: front.pool });
    await until(
      'all is out',
      async () => (await bench.derived()) + (await bench.deadLetters()) === 4,
    );
    await until('it is tried again', () => front.failed.length > 2);
    await first.stop();
  }
  expect((await bench.work()).map(({ published }) => published)).toEqual([
    false,
    false,
    false,
    false,
  ]);
  bench.start(stage);
  await bench.settled();
  expect((await bench.work()).map(({ published }) => published)).toEqual([true, true, true, true]);
  expect([stage.calls.length, await bench.derived(), await bench.deadLetters()]).toEqual([4, 3, 1]);
});

test.concurrent.each(['ECONNRESET', '40P01', '42501'])(
  'a claim whose release fails (%s) is released later, with its try and its cost',
  async (code) => {
    await using bench = await createStageBench();
    await bench.publish(...notes(1));
    const front = failingPool(bench.database.pool);
    front.fail = (name) => (name === 'stage-release' ? coded(code) : undefined);
    const usage = { calls: 1, input_tokens: 30, output_tokens: 4 };
    const use = { usage, cost_usd: 0.5, duration_ms: 1, cached: false };
    const stage = storing(storesNothing, async (event, { attempt, sequence }) =>
      attempt === 1
        ? { ...retry(0, 'not yet'), use }
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] },
    );
    bench.start(stage, { pool: front.pool });
    await until('it is tried again', () => front.failed.length > 1);
    front.fail = () => undefined;
    await bench.settled();
    expect(await bench.work()).toMatchObject([{ state: 'done', attempts: 1, abandoned: 0 }]);
    const { rows } = await bench.database.pool.query(
      `select cost_usd from memfleet.spend where tenant = 'tenant-0'`,
    );
    expect(rows).toEqual([{ cost_usd: 0.5 }]);
  },
);

test.concurrent('an event that this process holds is not claimed again, however its claim stands', async () => {
  await using bench = await createStageBench({ 'stages.extraction.lease': '1m' });
  const event = memoryCreated('said twice');
  await bench.publish(event);
  const answer = Promise.withResolvers<void>();
  const stage = storing(storesNothing, async (cause, { sequence }) => {
    await answer.promise;
    const derived = nothingExtracted(cause, sequence, IDENTITY);
    const data = { ...derived.data, empty_reason: `answer ${stage.calls.length}` };
    return { kind: 'done', events: [{ ...derived, data }] };
  });
  bench.start(stage);
  await until('it is claimed', () => stage.calls.length === 1);
  await bench.database.pool.query(
    `update memfleet.stage_work set lease_until = now() - interval '1 second'`,
  );
  // The same event at another position in the log, as from a publisher that retries late; and one more.
  const { jetstream, jsm } = bench.broker;
  const { stream, root } = bench.config.log;
  await jetstream.publish(`${root}.acme.note.content.created`, JSON.stringify(event));
  await bench.publish(memoryCreated('another'));
  await until('both have been looked at', async () => {
    const info = await jsm.consumers.info(stream, 'extraction');
    return info.delivered.stream_seq === 3 && stage.calls.includes('another');
  });
  expect(callsOf(stage, 'said twice')).toBe(1);
  answer.resolve();
  await bench.settled();
  expect(callsOf(stage, 'said twice')).toBe(1);
  const [row] = await bench.work();
  expect(row).toMatchObject({ state: 'done', abandoned: 0, published: true });
  expect(await bench.derived()).toBe(2);
});
