import { setTimeout as delay } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { createStageFleet, STAGES, type StageFleet } from '../chaos/stage-fleet.ts';
import { runCommand } from '../support/cli.ts';
import { nothingExtracted } from '../support/events.ts';
import { coded, failingPool, refused } from '../support/failing-pool.ts';
import { createStageBench } from '../support/stage.ts';
import {
  IDENTITY,
  notes,
  pausedBecause,
  storesNothing,
  storing,
} from '../support/storing-stage.ts';
import { until } from '../support/until.ts';

/*
 * Results that cannot be stored for longer than every configured time: a log that is full for a minute, a
 * database that refuses writes or is away for longer than lease, ack wait and deadline together.
 */

const LIMIT_MS = 240_000;
const EVENTS = 400;
/** Remaining room in the log. */
const ROOM = 50;
const SLOTS = 16;
const FULL_FOR_MS = 60_000;
/** More than lease (2 s), ack wait (3 s) and deadline (3 s). */
const TOGETHER_MS = 8_500;

interface Status {
  readonly workers: readonly {
    readonly worker: string;
    readonly state: string;
    readonly cause: string | null;
  }[];
}

async function statusOf({
  stage,
  environment,
}: StageFleet): Promise<Status['workers'][0] | undefined> {
  const { stdout, stderr, code } = await runCommand(['status', '--json'], environment);
  if (code !== 0) throw new Error(`status ended with ${code}: ${stderr}`);
  return (JSON.parse(stdout) as Status).workers.find(({ worker }) => worker === stage);
}

async function delivered({ broker, config, durable }: StageFleet): Promise<number> {
  const info = await broker.jsm.consumers.info(config.log.stream, durable);
  return info.delivered.consumer_seq;
}

async function isPausedByLog(fleet: StageFleet): Promise<boolean> {
  const { state, cause } = (await statusOf(fleet)) ?? {};
  return state === 'paused' && cause?.includes('the log is full') === true;
}

describe.each(STAGES)('the $stage stage', { timeout: LIMIT_MS }, (stageCase) => {
  const { stage } = stageCase;
  // One text per call, so that there are as many calls as events.
  const provider = { ...stageCase.provider, ...(stage === 'embedding' ? { maxBatch: 1 } : {}) };

  test('a log that is full for a minute costs no call and no attempt, and status says so', async () => {
    await using fleet = await createStageFleet(
      { ...stageCase, provider },
      {
        [`stages.${stage}.concurrency`]: String(SLOTS),
        [`stages.${stage}.ackWait`]: '3s',
        [`stages.${stage}.lease`]: '2s',
        [`stages.${stage}.deadline`]: '3s',
      },
    );
    const { jsm } = fleet.broker;
    const { stream } = fleet.config.log;
    await fleet.publish(EVENTS);
    await jsm.streams.update(stream, { max_msgs: EVENTS + ROOM });
    await using worker = fleet.start();
    await until('status says why', () => isPausedByLog(fleet), 60_000);
    // Events requested before that have arrived by then.
    await delay(10_000);
    const calls = fleet.model.calls.length;
    const before = await delivered(fleet);
    expect(calls).toBeLessThanOrEqual(ROOM + 3 * SLOTS);
    const startedAt = performance.now();
    while (performance.now() - startedAt < FULL_FOR_MS) {
      expect(await isPausedByLog(fleet)).toBe(true);
      await delay(5_000);
    }
    expect([fleet.model.calls.length - calls, (await delivered(fleet)) - before]).toEqual([0, 0]);
    await jsm.streams.update(stream, { max_msgs: -1 });
    await until('all is done', async () => (await fleet.effects()).derived === EVENTS, 120_000);
    await fleet.settled();
    const all = { done: EVENTS, derived: EVENTS, distinct: EVENTS };
    expect(await fleet.effects()).toEqual({ ...all, parked: 0, deadLetters: 0 });
    expect(fleet.model.calls).toHaveLength(EVENTS);
    const { rows } = await fleet.database.pool.query(
      'select from memfleet.stage_work where attempts + abandoned > 0',
    );
    expect(rows).toHaveLength(0);
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });
});

test.each([
  ['a table that is missing', '42P01'],
  ['a permission that is missing', '42501'],
  ['an error of the server', 'XX000'],
  ['a prepared statement that is gone', '26000'],
  ['an error that refuses every event', '22000'],
])(
  '%s pauses, keeps what was paid for, and parks nothing',
  async (_, code) => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': '4',
      'stages.extraction.batch': '4',
      'stages.extraction.maxAttempts': '1',
      'stages.extraction.linger': '50ms',
      'stages.extraction.lease': '2s',
      'stages.extraction.ackWait': '3s',
      'stages.extraction.deadline': '3s',
    });
    await bench.publish(...notes(40));
    let isRefusing = true;
    const stage = storing(async () => {
      if (isRefusing) throw coded(code, 'the database will not have it');
    });
    const running = bench.start(stage);
    await pausedBecause(running, /the database refuses.*will not have it/);
    const startedAt = performance.now();
    await until('it has lasted', () => performance.now() - startedAt > TOGETHER_MS);
    expect(running.progress.state.state).toBe('paused');
    // No more than may be held, each once; where the cause is unclear one more may be tried.
    expect(stage.calls.length).toBeLessThanOrEqual(9);
    expect(new Set(stage.calls).size).toBe(stage.calls.length);
    isRefusing = false;
    await bench.settled();
    expect(stage.calls).toHaveLength(40);
    const rows = await bench.work();
    expect(
      rows.every(
        ({ state, attempts, abandoned }) => state === 'done' && attempts + abandoned === 0,
      ),
    ).toBe(true);
    expect([rows.length, await bench.derived(), await bench.deadLetters()]).toEqual([40, 40, 0]);
    expect(running.progress.state.state).not.toBe('paused');
  },
  LIMIT_MS,
);

test(
  'a database away for longer than lease, ack wait and deadline costs no attempt',
  async () => {
    await using bench = await createStageBench({
      'stages.extraction.concurrency': '8',
      'stages.extraction.batch': '4',
      'stages.extraction.maxAttempts': '1',
      'stages.extraction.lease': '2s',
      'stages.extraction.ackWait': '3s',
      'stages.extraction.deadline': '3s',
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
      await until('it has lasted', () => performance.now() - startedAt > TOGETHER_MS);
      front.fail = () => undefined;
      const before = await bench.derived();
      await until('work continues', async () => (await bench.derived()) > before);
    }
    await bench.settled();
    const rows = await bench.work();
    expect(
      rows.filter(
        ({ state, attempts, published }) => state !== 'done' || attempts > 0 || !published,
      ),
    ).toEqual([]);
    expect([rows.length, await bench.derived(), await bench.deadLetters()]).toEqual([60, 60, 0]);
    expect(stage.calls).toHaveLength(60);
  },
  LIMIT_MS,
);
