import { setTimeout as delay } from 'node:timers/promises';
import {
  createDerivedEvent,
  derivedEventId,
  type Envelope,
  type MemoryEvent,
} from '@memfleet/events';
import { park, type Queryable, retry, skip, type Stage } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { coded, failingPool, refused } from '../../support/failing-pool.ts';
import { createStageBench, type RunningStage, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

/*
 * What happens to results that have no place to go: a row or a result that the database refuses, a
 * database that refuses everything or is away, a log or a dead-letter stream that takes nothing.
 */

const IDENTITY = { name: 'test', version: 1 };

type Handle = Stage<string>['handle'];

/** A stage whose results carry something to be stored, and whose calls are counted. */
function storing(
  persist: (db: Queryable, extras: readonly string[]) => Promise<void>,
  handle?: Handle,
): Stage<string> & { readonly calls: string[] } {
  const calls: string[] = [];
  return {
    ...IDENTITY,
    calls,
    async handle(event, context) {
      const { content } = event.data as { content: string };
      calls.push(content);
      if (handle !== undefined) return await handle(event, context);
      const events = [nothingExtracted(event, context.sequence, IDENTITY)];
      return { kind: 'done', events, extra: content };
    },
    persist,
  };
}

async function storesNothing(): Promise<void> {}

function notes(number: number): Envelope[] {
  return Array.from({ length: number }, (_, index) =>
    memoryCreated(`note ${index}`, { memory: `m${index}`, tenant: `tenant-${index}` }),
  );
}

function callsOf({ calls }: { readonly calls: readonly string[] }, content: string): number {
  return calls.filter((one) => one === content).length;
}

async function pausedBecause({ progress }: RunningStage, cause: RegExp): Promise<void> {
  await until(`it is paused because ${String(cause)}`, () => {
    const { state, cause: said = '' } = progress.state;
    return state === 'paused' && cause.test(said);
  });
}

/** Messages that the broker has delivered, redeliveries included. */
async function deliveries({ broker, config }: StageBench): Promise<number> {
  const info = await broker.jsm.consumers.info(config.log.stream, 'extraction');
  return info.delivered.consumer_seq;
}

const BAD = 'note 2';

test.each([
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

test('a parked event whose cost cannot be written is parked all the same', async () => {
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

test.each([
  ['a table that is missing', '42P01'],
  ['a permission that is missing', '42501'],
  ['an error of the server', 'XX000'],
  ['a prepared statement that is gone', '26000'],
  ['what is refused for every event, whatever the reason', '22000'],
])('%s pauses, keeps what was paid for, and parks nothing', async (_, code) => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '4',
    'stages.extraction.batch': '4',
    'stages.extraction.maxAttempts': '1',
    'stages.extraction.linger': '50ms',
    'stages.extraction.lease': '600ms',
    'stages.extraction.ackWait': '900ms',
    'stages.extraction.deadline': '1s',
  });
  await bench.publish(...notes(40));
  let isRefusing = true;
  const stage = storing(async () => {
    if (isRefusing) throw coded(code, 'the database will not have it');
  });
  const running = bench.start(stage);
  await pausedBecause(running, /the database refuses.*will not have it/);
  const startedAt = performance.now();
  // Longer than lease, ack wait and deadline together.
  await until('it has lasted', () => performance.now() - startedAt > 3_500);
  expect(running.progress.state.state).toBe('paused');
  // No more than may be held, each once; where the cause is unclear one more may be tried.
  expect(stage.calls.length).toBeLessThanOrEqual(9);
  expect(new Set(stage.calls).size).toBe(stage.calls.length);
  isRefusing = false;
  await bench.settled();
  expect(stage.calls).toHaveLength(40);
  const rows = await bench.work();
  expect(
    rows.every(({ state, attempts, abandoned }) => state === 'done' && attempts + abandoned === 0),
  ).toBe(true);
  expect([rows.length, await bench.derived(), await bench.deadLetters()]).toEqual([40, 40, 0]);
  expect(running.progress.state.state).not.toBe('paused');
});

test('events without anything to store do not put the blame on those that have something', async () => {
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

test('told to stop while its results are refused, a stage gives them back unabandoned', async () => {
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

test('events that cannot be claimed pause the stage, and are claimed when they can be', async () => {
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

test('what is published while the database is away is marked before it is acked', async () => {
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

test('what could not be marked before the end is not acked, and marked by the next', async () => {
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

test.each(['ECONNRESET', '40P01', '42501'])(
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

test('an event that this process holds is not claimed again, however its claim stands', async () => {
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

test('a database away for longer than lease, ack wait and deadline costs no attempt', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '8',
    'stages.extraction.batch': '4',
    'stages.extraction.maxAttempts': '1',
    'stages.extraction.lease': '600ms',
    'stages.extraction.ackWait': '900ms',
    'stages.extraction.deadline': '900ms',
  });
  const front = failingPool(bench.database.pool);
  const stage = storing(storesNothing, async (event, { sequence, signal }) => {
    expect(signal.aborted).toBe(false);
    await delay(50);
    return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)], extra: 'x' };
  });
  await bench.publish(...notes(60));
  bench.start(stage, { pool: front.pool });
  await until('some are done', async () => (await bench.derived()) > 8);
  for (let outage = 1; outage <= 2; outage += 1) {
    front.fail = () => refused();
    const startedAt = performance.now();
    await until('it has lasted', () => performance.now() - startedAt > 3_500);
    front.fail = () => undefined;
    const before = await bench.derived();
    await until('it goes on', async () => (await bench.derived()) > before);
  }
  await bench.settled();
  const rows = await bench.work();
  expect(
    rows.filter(({ state, attempts, published }) => state !== 'done' || attempts > 0 || !published),
  ).toEqual([]);
  expect([rows.length, await bench.derived(), await bench.deadLetters()]).toEqual([60, 60, 0]);
  expect(stage.calls).toHaveLength(60);
});

/** Three derived events of one cause. */
function threeOf(cause: MemoryEvent, sequence: number, what: string): Envelope[] {
  return [0, 1, 2].map((ordinal) => {
    const derived = nothingExtracted(cause, sequence, IDENTITY);
    return createDerivedEvent(cause, {
      id: derivedEventId(cause, IDENTITY.name, IDENTITY.version, ordinal),
      type: 'memory.extracted',
      source: '/stages/test',
      time: cause.time,
      data: { ...derived.data, empty_reason: `${what} ${ordinal}` } as never,
    });
  });
}

test.each([[[0]], [[1]], [[2]], [[0, 2]], [[0, 1]]])(
  'of a result of which the log has parts (%j) in another form the rest is published',
  async (there) => {
    await using bench = await createStageBench();
    const stage = storing(storesNothing, async (event, { sequence }) => {
      // From before its dedupe row, as after a restore of the database.
      for (const [index, other] of threeOf(event, sequence, 'old').entries()) {
        if (there.includes(index)) await bench.publisher.append(other, { timeIsAssigned: true });
      }
      return { kind: 'done', events: threeOf(event, sequence, 'new') };
    });
    await bench.publish(...notes(2));
    bench.start(stage);
    await bench.settled();
    expect(await bench.derived()).toBe(6);
    expect((await bench.work()).every(({ published }) => published)).toBe(true);
  },
);

const FLOOD = 300;

/** So many events, few of which are in hand at a time. */
async function flooded(flags: Readonly<Record<string, string>> = {}): Promise<StageBench> {
  return await createStageBench({
    'stages.extraction.concurrency': '16',
    'stages.extraction.batch': '8',
    'stages.extraction.ackWait': '900ms',
    'stages.extraction.lease': '600ms',
    'stages.extraction.deadline': '900ms',
    ...flags,
  });
}

/** Deliveries that a pull request may still bring which was open when the gate was closed. */
const STILL_COMING_MS = 6_000;

/** Watches a paused stage for a while. @returns how many deliveries and calls came meanwhile */
async function watched(
  bench: StageBench,
  stage: { readonly calls: readonly string[] },
  forMs: number,
): Promise<{ readonly deliveries: number; readonly calls: number }> {
  const startedAt = performance.now();
  await until(
    'requests that were open have ended',
    () => performance.now() - startedAt > STILL_COMING_MS,
  );
  const [before, calls] = [await deliveries(bench), stage.calls.length];
  const from = performance.now();
  await until('it is watched', () => performance.now() - from > forMs);
  return { deliveries: (await deliveries(bench)) - before, calls: stage.calls.length - calls };
}

async function allDone(bench: StageBench, parked = 0): Promise<void> {
  await bench.settled();
  const rows = await bench.work();
  const good = rows.filter(
    ({ attempts, abandoned, published }) => attempts + abandoned === 0 && published,
  );
  expect(good).toHaveLength(FLOOD);
  expect(rows.filter(({ state }) => state === 'parked')).toHaveLength(parked);
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([FLOOD - parked, parked]);
}

test('a full log pauses the stage, costs no call, and all goes on when it has room', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.log;
  await bench.publish(...notes(FLOOD));
  await jsm.streams.update(stream, { max_msgs: FLOOD + 50 });
  const stage = storing(storesNothing);
  const running = bench.start(stage);
  await pausedBecause(running, /the log is full: .*maximum messages exceeded.*raise the limit/);
  // What was in hand when it filled: twice the slots at most.
  const inFlight = 2 * 16;
  expect(stage.calls.length).toBeLessThanOrEqual(50 + inFlight);
  expect(await watched(bench, stage, 8_000)).toEqual({ deliveries: 0, calls: 0 });
  expect(stage.calls.length).toBeLessThanOrEqual(50 + inFlight);
  expect(running.progress.state).toMatchObject({ state: 'paused' });
  // What is held is held: by heartbeats, and recorded.
  const rows = await bench.work();
  expect(rows.filter(({ state }) => state === 'claimed')).toEqual([]);
  // Room for some is not room for all.
  await jsm.streams.update(stream, { max_msgs: FLOOD + 60 });
  await until('it is used', async () => (await bench.derived()) === 60);
  expect(running.progress.state).toMatchObject({ state: 'paused' });
  await jsm.streams.update(stream, { max_msgs: -1 });
  await allDone(bench);
  expect(stage.calls).toHaveLength(FLOOD);
  expect(running.progress.counts['failed'] ?? 0).toBe(0);
  expect(running.progress.state.state).not.toBe('paused');
}, 90_000);

test('told to stop while the log is full, a stage leaves what is recorded to others at once', async () => {
  await using bench = await flooded({ 'workers.shutdownGrace': '20s' });
  const { jsm } = bench.broker;
  const { stream } = bench.config.log;
  await bench.publish(...notes(40));
  await jsm.streams.update(stream, { max_msgs: 45 });
  const stage = storing(storesNothing);
  {
    await using first = bench.start(stage);
    await pausedBecause(first, /the log is full/);
    const startedAt = performance.now();
    await first.stop();
    expect(performance.now() - startedAt).toBeLessThan(10_000);
  }
  await jsm.streams.update(stream, { max_msgs: -1 });
  bench.start(stage);
  await bench.settled();
  expect([stage.calls.length, await bench.derived()]).toEqual([40, 40]);
});

/** Every third event is parked. */
async function parksSome(event: MemoryEvent, { sequence }: { sequence: number }) {
  return sequence % 3 === 0
    ? park('invalid_input', 'cannot be read')
    : ({ kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] } as const);
}

test.each([
  ['max_msgs', /no dead letter is taken: .*maximum messages exceeded.*[Rr]aise the limit/],
  ['max_bytes', /no dead letter is taken: .*maximum bytes exceeded.*[Rr]aise the limit/],
])(
  'a dead-letter stream at its %s pauses the stage, and no letter is lost',
  async (limit, cause) => {
    await using bench = await flooded();
    const { jsm } = bench.broker;
    const { stream } = bench.config.deadLetters;
    await bench.publish(...notes(FLOOD));
    await jsm.streams.update(stream, { [limit]: limit === 'max_msgs' ? 10 : 8_192 });
    const stage = storing(storesNothing, parksSome);
    const running = bench.start(stage);
    await pausedBecause(running, cause);
    const there = await bench.deadLetters();
    expect(stage.calls.length).toBeLessThanOrEqual(there * 3 + 3 * 16);
    expect(await watched(bench, stage, 4_000)).toEqual({ deliveries: 0, calls: 0 });
    await jsm.streams.update(stream, { [limit]: -1 });
    await allDone(bench, FLOOD / 3);
    expect(stage.calls).toHaveLength(FLOOD);
  },
  90_000,
);

test('a dead-letter stream that is gone pauses the stage until it is there', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.deadLetters;
  const { config } = await jsm.streams.info(stream);
  await bench.publish(...notes(FLOOD));
  await jsm.streams.delete(stream);
  const stage = storing(storesNothing, parksSome);
  const running = bench.start(stage);
  await pausedBecause(running, /no stream takes dead letters/);
  expect(stage.calls.length).toBeLessThanOrEqual(3 * 16);
  await jsm.streams.add(config);
  await allDone(bench, FLOOD / 3);
  expect(stage.calls).toHaveLength(FLOOD);
}, 90_000);

test('a dead-letter stream that refuses for another reason lets a trickle through, and ends by itself', async () => {
  await using bench = await flooded();
  const { jsm } = bench.broker;
  const { stream } = bench.config.deadLetters;
  const { config } = await jsm.streams.info(stream);
  await bench.publish(...notes(FLOOD));
  await jsm.streams.update(stream, Object.assign({}, config, { sealed: true }));
  const stage = storing(storesNothing, parksSome);
  const running = bench.start(stage);
  await pausedBecause(running, /no dead letter is taken: .*sealed/);
  const { calls } = await watched(bench, stage, 4_000);
  expect(calls).toBeLessThanOrEqual(2);
  expect(stage.calls.length).toBeLessThanOrEqual(3 * 16);
  await jsm.streams.delete(stream);
  await jsm.streams.add({ ...config, sealed: false });
  await allDone(bench, FLOOD / 3);
}, 90_000);
