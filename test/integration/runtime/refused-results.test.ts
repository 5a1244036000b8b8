import { park, type Queryable, retry, skip } from '@memfleet/runtime';
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
 * What happens to results that the database does not take: one of them, all of them, for a while or for good.
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
      // The sum of its tenant is as large as the column takes.
      const usage = { calls: 1, input_tokens: 10, output_tokens: 0 };
      const events = [nothingExtracted(event, sequence, IDENTITY)];
      return { kind: 'done', events, use: { usage, cost_usd: 1, duration_ms: 1, cached: false } };
    }) satisfies Handle,
  ],
])(
  'a result that is refused at %s costs its own event its tries, and no other anything',
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
  'what refuses every event (%s) parks no more than the first in a quiet stage',
  async (code) => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': '1',
      'stages.extraction.batch': '1',
      'stages.extraction.maxAttempts': '1',
    });
    await bench.publish(...notes(5));
    let isRefusing = true;
    const stage = storing(async () => {
      if (isRefusing) throw coded(code, 'the table will not have it');
    });
    const running = bench.start(stage);
    await pausedBecause(running, /will not have it/);
    await until('another has been tried', () => stage.calls.length === 3);
    isRefusing = false;
    await bench.settled();
    expect((await bench.work()).map(({ state }) => state)).toEqual([
      'parked',
      'done',
      'done',
      'done',
      'done',
    ]);
    expect(stage.calls).toHaveLength(5);
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
  'a handler whose own statements are refused (%s) pauses the stage, and uses up nothing',
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
    // A stage under load: others are done all the while.
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
  // Several are tried again meanwhile, beside others that are recorded.
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
  // The same event at another place in the log, as of a publisher that came back late; and one more.
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
