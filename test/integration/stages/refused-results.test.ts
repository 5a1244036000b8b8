import type { Queryable } from '@memfleet/runtime';
import { park, skip } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { coded, failingPool } from '../../support/failing-pool.ts';
import { createStageBench } from '../../support/stage.ts';
import {
  callsOf,
  type Handle,
  IDENTITY,
  notes,
  pausedBecause,
  storesNothing,
  storing,
} from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

/*
 * What happens to results that the database refuses: one of them, all of them, for a while or for good.
 */

const BAD = 'note 2';

test.concurrent.each([
  [
    'persist',
    async (_: Queryable, extras: readonly string[]): Promise<void> => {
      if (extras.includes(BAD)) throw coded('22003', 'numeric field overflow');
    },
    undefined,
  ],
  [
    'record',
    storesNothing,
    // More calls than the column holds.
    (async (event, { sequence }) => {
      const { content } = event.data as { content: string };
      const calls = content === BAD ? 2 ** 40 : 1;
      const use = {
        usage: { calls, input_tokens: 0, output_tokens: 0 },
        cost_usd: 0,
        duration_ms: 1,
      };
      const events = [nothingExtracted(event, sequence, IDENTITY)];
      return { kind: 'done', events, use: { ...use, cached: false } };
    }) satisfies Handle,
  ],
  [
    'spend',
    storesNothing,
    (async (event, { sequence }) => {
      // The tenant's sum is already as large as the column allows.
      const usage = { calls: 1, input_tokens: 10, output_tokens: 0 };
      const events = [nothingExtracted(event, sequence, IDENTITY)];
      return { kind: 'done', events, use: { usage, cost_usd: 1, duration_ms: 1, cached: false } };
    }) satisfies Handle,
  ],
])(
  'a result refused at %s costs its own event its tries, and costs the others nothing',
  async (_, persist, handle) => {
    await using bench = await createStageBench({
      'stages.extraction.maxAttempts': '2',
      'stages.extraction.linger': '50ms',
    });
    await bench.publish(...notes(5));
    await bench.database.pool.query(
      `insert into memfleet.spend (stage, tenant, hour, input_tokens)
       select 'test', 'tenant-2', date_trunc('hour', now(), 'UTC') + n * interval '1 hour', 9223372036854775807
       from generate_series(0, 1) as n`,
    );
    const stage = storing(persist, handle);
    bench.start(stage);
    await bench.settled();
    const rows = await bench.work();
    expect(rows.map(({ state, abandoned }) => [state, abandoned])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index === 2 ? 'parked' : 'done', 0]),
    );
    expect(rows[2]).toMatchObject({ reason: 'attempts_exhausted', attempts: 1, published: true });
    expect(stage.calls).toHaveLength(6);
    expect(callsOf(stage, BAD)).toBe(2);
    expect([await bench.derived(), await bench.deadLetters()]).toEqual([4, 1]);
    const letter = await bench.broker.jsm.streams.getMessage(bench.config.deadLetters.stream, {
      seq: 1,
    });
    expect(letter?.header.get('Memfleet-Message')).toMatch(
      /2 tries, the last: the result could not be stored: .*(overflow|out of range)/,
    );
  },
);

test.concurrent('a parked event whose cost cannot be written is parked all the same', async () => {
  await using bench = await createStageBench({ 'stages.extraction.linger': '50ms' });
  await bench.publish(...notes(3));
  const usage = { calls: 2 ** 40, input_tokens: 0, output_tokens: 0 };
  const use = { usage, cost_usd: 0, duration_ms: 1, cached: false };
  bench.start(
    storing(storesNothing, async (event, { sequence }) =>
      (event.data as { content: string }).content === BAD
        ? { ...park('invalid_input', 'cannot be read'), use }
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] },
    ),
  );
  await bench.settled();
  expect(await bench.work()).toMatchObject([
    { state: 'done' },
    { state: 'done' },
    { state: 'parked', reason: 'invalid_input', abandoned: 0 },
  ]);
});

test.concurrent.each(['22000', '23514', 'P0001'])(
  'a refusal of every event (%s) costs the first one try in a quiet stage, and parks none',
  async (code) => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': '1',
      'stages.extraction.batch': '1',
      'stages.extraction.maxAttempts': '2',
    });
    const [first = [], ...rest] = notes(5).map((note) => [note]);
    await bench.publish(...first);
    let isRefusing = true;
    const stage = storing(async () => {
      if (isRefusing) throw coded(code, 'the table will not have it');
    });
    const running = bench.start(stage);
    await pausedBecause(running, /will not have it/);
    // Its second try was not counted: nothing was stored in between.
    expect(stage.calls).toEqual(['note 0', 'note 0']);
    await bench.publish(...rest.flat());
    isRefusing = false;
    await bench.settled();
    const rows = await bench.work();
    expect(rows.map(({ state, attempts }) => [state, attempts])).toEqual([
      ['done', 1],
      ...Array.from({ length: 4 }, () => ['done', 0]),
    ]);
    expect(stage.calls).toHaveLength(6);
  },
);

test.concurrent('a bad result after a bad result is parked too, when others are stored in between', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '1',
    'stages.extraction.batch': '1',
    'stages.extraction.maxAttempts': '1',
  });
  await bench.publish(...notes(6));
  const stage = storing(async (_, extras) => {
    if (extras.includes('note 1') || extras.includes('note 3')) throw coded('22003');
  });
  const running = bench.start(stage);
  await bench.settled();
  const rows = await bench.work();
  expect(rows.map(({ state }) => state === 'parked')).toEqual([
    false,
    true,
    false,
    true,
    false,
    false,
  ]);
  expect(running.progress.state.state).not.toBe('paused');
});

test.concurrent.each(['42501', 'XX000'])(
  'a handler whose own statements are refused (%s) pauses the stage, and uses no attempt',
  async (code) => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': '4',
      'stages.extraction.batch': '4',
      'stages.extraction.maxAttempts': '1',
    });
    await bench.publish(...notes(30));
    let isRefusing = true;
    const stage = storing(storesNothing, async (event, { sequence }) => {
      if (isRefusing) throw coded(code, 'no such thing');
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    });
    const running = bench.start(stage);
    await pausedBecause(running, /handlers fail: no such thing/);
    await until('one is tried again', () => stage.calls.length > 4);
    expect(stage.calls.length).toBeLessThanOrEqual(6);
    isRefusing = false;
    await bench.settled();
    const rows = await bench.work();
    expect(rows.filter(({ state, attempts }) => state !== 'done' || attempts > 0)).toEqual([]);
    expect(rows).toHaveLength(30);
  },
);

test.concurrent('a handler that fails so for one event alone uses up its tries', async () => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '2' });
  const stage = storing(storesNothing, async (event, { sequence }) => {
    if ((event.data as { content: string }).content === BAD) throw coded('XX000', 'corrupted');
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
  });
  await bench.publish(...notes(5));
  bench.start(stage);
  let more = 0;
  await until('it is parked', async () => {
    // A stage under load: it finishes other events all the while.
    await bench.publish(memoryCreated(`more ${more}`, { memory: `n${more}` }));
    more += 1;
    return (await bench.deadLetters()) === 1;
  });
  await bench.settled();
  const rows = await bench.work();
  expect(rows.filter(({ state }) => state === 'parked')).toMatchObject([
    { reason: 'attempts_exhausted' },
  ]);
  expect(await bench.derived()).toBe(4 + more);
});

test.concurrent('events without anything to store do not put the blame on those that have something', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.batch': '8',
    'stages.extraction.maxAttempts': '1',
    'stages.extraction.linger': '50ms',
  });
  await bench.publish(...notes(40));
  let isRefusing = true;
  const stage = storing(
    async () => {
      if (isRefusing) throw coded('22000', 'expected 8 dimensions, not 16');
    },
    async (event, { sequence }) =>
      sequence % 2 === 0
        ? skip('nothing to store')
        : { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)], extra: 'x' },
  );
  const running = bench.start(stage);
  await pausedBecause(running, /not 16/);
  // Several are retried meanwhile, beside others that are recorded.
  const startedAt = performance.now();
  await until('it has lasted', () => performance.now() - startedAt > 2_500);
  isRefusing = false;
  await bench.settled();
  const rows = await bench.work();
  expect(rows.filter(({ state, attempts }) => state === 'parked' || attempts > 0)).toEqual([]);
  expect([stage.calls.length, await bench.derived()]).toEqual([40, 20]);
});

test.concurrent('told to stop while its results are refused, a stage gives them back unabandoned', async () => {
  await using bench = await createStageBench({ 'workers.shutdownGrace': '1s' });
  await bench.publish(...notes(3));
  const stage = storing(() => Promise.reject(coded('42P01', 'relation does not exist')));
  const running = bench.start(stage);
  await pausedBecause(running, /relation does not exist/);
  await running.stop();
  const next = storing(storesNothing);
  bench.start(next);
  await bench.settled();
  expect(await bench.work()).toMatchObject(
    [1, 2, 3].map(() => ({ state: 'done', attempts: 0, abandoned: 0 })),
  );
});

test.concurrent('told to stop, a stage gives back what it holds although no cost can be noted', async () => {
  await using bench = await createStageBench({ 'workers.shutdownGrace': '5s' });
  await bench.publish(...notes(3));
  const failing = failingPool(bench.database.pool);
  failing.fail = (statement) =>
    statement === 'spend-add' ? coded('42501', 'permission denied for table spend') : undefined;
  const usage = { calls: 1, input_tokens: 10, output_tokens: 1 };
  const use = { usage, cost_usd: 1, duration_ms: 1, cached: false };
  const stage = storing(storesNothing, async (event, { sequence }) => ({
    kind: 'done',
    events: [nothingExtracted(event, sequence, IDENTITY)],
    use,
  }));
  const running = bench.start(stage, { pool: failing.pool });
  await pausedBecause(running, /permission denied for table spend/);
  await running.stop();
  const { rows } = await bench.database.pool.query<{ free: boolean }>(
    `select lease_until = '-infinity' as free from memfleet.stage_work`,
  );
  expect(rows).toEqual([{ free: true }, { free: true }, { free: true }]);
  expect((await bench.work()).map(({ attempts, abandoned }) => [attempts, abandoned])).toEqual([
    [0, 0],
    [0, 0],
    [0, 0],
  ]);
});

test.concurrent.each(['57014', '53200', '25P03'])(
  'a result that is cut off each time (%s) costs its own event its tries, and costs the others nothing',
  async (code) => {
    await using bench = await createStageBench({
      'stages.extraction.maxAttempts': '1',
      'stages.extraction.linger': '50ms',
    });
    await bench.publish(...notes(5));
    const stage = storing(async (_, extras) => {
      if (extras.includes(BAD)) throw coded(code, 'cut off');
    });
    bench.start(stage);
    await bench.settled();
    expect((await bench.work()).map(({ state, abandoned }) => [state, abandoned])).toEqual(
      [0, 1, 2, 3, 4].map((index) => [index === 2 ? 'parked' : 'done', 0]),
    );
    expect(stage.calls).toHaveLength(5);
  },
);

test.concurrent('a cost that is cut off each time keeps no result from being stored', async () => {
  await using bench = await createStageBench({
    'stages.extraction.maxAttempts': '1',
    'stages.extraction.linger': '50ms',
  });
  await bench.publish(...notes(5));
  const failing = failingPool(bench.database.pool);
  failing.fail = (statement) =>
    statement === 'spend-add' ? coded('57014', 'canceling statement') : undefined;
  const usage = { calls: 1, input_tokens: 10, output_tokens: 1 };
  // Only one of them has a cost: its tenant's row is locked, as by a person.
  const stage = storing(storesNothing, async (event, { sequence }) => ({
    kind: 'done',
    events: [nothingExtracted(event, sequence, IDENTITY)],
    ...((event.data as { content: string }).content === BAD
      ? { use: { usage, cost_usd: 1, duration_ms: 1, cached: false } }
      : {}),
  }));
  bench.start(stage, { pool: failing.pool });
  await bench.settled();
  const rows = await bench.work();
  expect(rows.map(({ state, attempts }) => [state, attempts])).toEqual(rows.map(() => ['done', 0]));
  expect([rows.length, stage.calls.length]).toEqual([5, 5]);
});
