import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { claim } from '../../../shared/stages/src/claims/dedupe.ts';
import { advance, type Job } from '../../../shared/stages/src/job.ts';
import {
  DeadlineExceeded,
  Heartbeat,
  type HeartbeatOptions,
  LeaseLost,
  renewalSettings,
} from '../../../shared/stages/src/pipeline/heartbeat.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testSettings } from '../../support/settings.ts';
import { silent } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const STAGE = { name: 'test', version: 1 };

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

interface Watched {
  readonly job: Job;
  readonly beats: () => number;
}

/** An event that counts the answers sent to the broker about it. */
function hold(slots: Slots): Watched {
  let beats = 0;
  const message: Pick<Delivery, 'working'> = {
    working: () => {
      beats += 1;
    },
  };
  return { job: slots.hold(message as Delivery), beats: () => beats };
}

async function claimFor(job: Job): Promise<void> {
  const [key, token] = [randomUUID(), randomUUID()];
  const asked = { key, tenant: 'a', eventId: key, sequence: 1, digest: randomBytes(32) };
  await claim(database.pool, STAGE, [asked], token, 60_000);
  advance(job, { claim: { key, token, redrives: 0 } });
}

async function steal({ claim: lost }: Job): Promise<void> {
  await database.pool.query(
    'update memfleet.stage_work set lease_token = gen_random_uuid() where event_key = $1',
    [lost?.key],
  );
}

/** The timers of these never fire: the tests send beats by hand. */
function heartbeatOf(slots: Slots, options: Partial<HeartbeatOptions> = {}): Heartbeat {
  return new Heartbeat({
    stage: STAGE,
    slots,
    db: database.pool,
    ackWaitMs: 600_000,
    leaseMs: 600_000,
    deadlineMs: 600_000,
    log: silent,
    ...options,
  });
}

test('every held event is kept alive from receipt on, claimed or not', async () => {
  const slots = new Slots(10);
  const [waiting, claimed] = [hold(slots), hold(slots)];
  await claimFor(claimed.job);
  const heartbeat = heartbeatOf(slots);
  await heartbeat.beat();
  await heartbeat.beat();
  expect([waiting.beats(), claimed.beats()]).toEqual([2, 2]);
  heartbeat.stop();
});

test('at the deadline the work stops and no further beat goes out', async () => {
  const slots = new Slots(10);
  const { job, beats } = hold(slots);
  advance(job, { begunAt: performance.now() });
  const settling = hold(slots);
  slots.beginSettling(settling.job);
  const heartbeat = heartbeatOf(slots, { deadlineMs: 0 });
  await heartbeat.beat();
  await heartbeat.beat();
  expect(job.abort.signal.reason).toBeInstanceOf(DeadlineExceeded);
  expect(beats()).toBe(0);
  // Its handler has returned: the later steps have limits of their own.
  expect([settling.job.abort.signal.aborted, settling.beats()]).toEqual([false, 2]);
  heartbeat.stop();
});

test('an event that waits for its claim has no deadline yet', async () => {
  const slots = new Slots(10);
  const { job, beats } = hold(slots);
  const heartbeat = heartbeatOf(slots, { deadlineMs: 0 });
  await heartbeat.beat();
  expect([job.abort.aborted, beats()]).toEqual([false, 1]);
  heartbeat.stop();
});

test('when one event has two claims, the work of the stale one stops and the live one goes on', async () => {
  const slots = new Slots(10);
  const [stale, live] = [hold(slots), hold(slots)];
  await claimFor(live.job);
  const { key = '', redrives = 0 } = live.job.claim ?? {};
  advance(stale.job, { claim: { key, token: randomUUID(), redrives } });
  const heartbeat = heartbeatOf(slots);
  expect(await heartbeat.renew()).toBe(true);
  expect(stale.job.abort.reason).toBeInstanceOf(LeaseLost);
  expect(live.job.abort.aborted).toBe(false);
  heartbeat.stop();
});

test('a claim whose result waits to be recorded is renewed', async () => {
  const slots = new Slots(10);
  const { job } = hold(slots);
  await claimFor(job);
  slots.beginSettling(job);
  advance(job, { awaitsRecord: true });
  const leaseUntil = async (): Promise<number> => {
    const { rows } = await database.pool.query<{ until: Date }>(
      'select lease_until as until from memfleet.stage_work where event_key = $1',
      [job.claim?.key],
    );
    return rows[0]?.until.getTime() ?? 0;
  };
  const before = await leaseUntil();
  const heartbeat = heartbeatOf(slots);
  await heartbeat.renew();
  expect(await leaseUntil()).toBeGreaterThan(before);
  heartbeat.stop();
});

test('a claim that went to another worker stops its work, and only that', async () => {
  const slots = new Slots(10);
  const [lost, kept] = [hold(slots), hold(slots)];
  await claimFor(lost.job);
  await claimFor(kept.job);
  await steal(lost.job);
  const heartbeat = heartbeatOf(slots);
  expect(await heartbeat.renew()).toBe(true);
  expect(lost.job.abort.signal.reason).toBeInstanceOf(LeaseLost);
  expect(kept.job.abort.signal.aborted).toBe(false);
  await heartbeat.beat();
  expect([lost.beats(), kept.beats()]).toEqual([0, 1]);
  heartbeat.stop();
});

test('after a silence longer than the ack wait the database is asked before the broker is told', async () => {
  const slots = new Slots(10);
  const [lost, kept] = [hold(slots), hold(slots)];
  await claimFor(lost.job);
  await claimFor(kept.job);
  await steal(lost.job);
  const heartbeat = heartbeatOf(slots, { ackWaitMs: 100 });
  heartbeat.stop();
  const startedAt = performance.now();
  await until('the ack wait is over', () => performance.now() - startedAt > 150);
  await heartbeat.beat();
  expect([lost.beats(), kept.beats()]).toEqual([0, 1]);
});

test('a silence, as of a stopped process, does not count towards the deadline', async () => {
  const slots = new Slots(10);
  const { job, beats } = hold(slots);
  await claimFor(job);
  advance(job, { begunAt: performance.now() });
  const heartbeat = heartbeatOf(slots, { ackWaitMs: 500, deadlineMs: 1_000 });
  heartbeat.stop();
  const startedAt = performance.now();
  await until('the deadline passes', () => performance.now() - startedAt > 1_500);
  await heartbeat.beat();
  expect([job.abort.aborted, beats()]).toEqual([false, 1]);
  // The time after it does.
  await until('the deadline is over', async () => {
    await heartbeat.beat();
    return job.abort.reason instanceof DeadlineExceeded;
  });
});

test('a database that does not answer costs no claim', async () => {
  const slots = new Slots(10);
  const { job } = hold(slots);
  await claimFor(job);
  const db: HeartbeatOptions['db'] = {
    query: () => Promise.reject(new Error('Connection terminated')),
  };
  const heartbeat = heartbeatOf(slots, { db });
  expect(await heartbeat.renew()).toBe(false);
  expect(job.abort.signal.aborted).toBe(false);
  heartbeat.stop();
});

test('a renewal that fails after the end is not retried', async () => {
  const failing = Promise.withResolvers<never>();
  let queries = 0;
  const db: HeartbeatOptions['db'] = {
    query: () => {
      queries += 1;
      return failing.promise;
    },
  };
  const heartbeat = heartbeatOf(new Slots(10), { db });
  const renewing = heartbeat.renew();
  heartbeat.stop();
  failing.reject(new Error('Connection terminated'));
  await renewing;
  // A retry would follow after 250 ms.
  const endedAt = performance.now();
  await until('a retry would have been made', () => performance.now() - endedAt > 1_000);
  expect(queries).toBe(1);
});

/** A database that can be taken away. */
function breakable(): { db: HeartbeatOptions['db']; isAway: boolean } {
  const { pool } = database;
  const breaking = {
    isAway: false,
    db: {
      query: ((...asked: [string]) =>
        breaking.isAway
          ? Promise.reject(new Error('Connection terminated'))
          : pool.query(...asked)) as typeof pool.query,
    },
  };
  return breaking;
}

async function leaseOf({ claim: one }: Job): Promise<number> {
  const { rows } = await database.pool.query<{ ms: number }>(
    `select (extract(epoch from lease_until - now()) * 1000)::float8 as ms
     from memfleet.stage_work where event_key = $1`,
    [one?.key],
  );
  return rows[0]?.ms ?? 0;
}

test('after a failure claims are renewed and beats sent as soon as the database is back', async () => {
  const slots = new Slots(10);
  const { job, beats } = hold(slots);
  await claimFor(job);
  const breaking = breakable();
  // The regular renewals are minutes apart.
  const heartbeat = heartbeatOf(slots, { db: breaking.db });
  breaking.isAway = true;
  expect(await heartbeat.renew()).toBe(false);
  expect([await leaseOf(job), beats()]).toEqual([expect.toSatisfy((ms) => ms <= 60_000), 0]);
  breaking.isAway = false;
  await until('it is renewed', async () => (await leaseOf(job)) > 60_000);
  await until('it is told', () => beats() === 1);
  heartbeat.stop();
});

test('expired claims are taken over once the database has answered for two renewals', async () => {
  const slots = new Slots(10);
  const breaking = breakable();
  const times = { ackWaitMs: 1_200, leaseMs: 1_500 };
  const heartbeat = heartbeatOf(slots, { ...times, db: breaking.db });
  const startedAt = performance.now();
  expect(heartbeat.takeOverUntil).toBeUndefined();
  const until1 = await until('it may be taken over', () => heartbeat.takeOverUntil);
  // Three renewals within the shorter time: the first after 400 ms, and two more until it is trusted.
  expect(performance.now() - startedAt).toBeGreaterThan(1_150);
  const { rows } = await database.pool.query<{ ms: number }>(
    'select (extract(epoch from now()) * 1000)::float8 as ms',
  );
  expect(until1).toBeLessThanOrEqual((rows[0]?.ms ?? 0) + 600);
  breaking.isAway = true;
  await until('no more', () => heartbeat.takeOverUntil === undefined);
  breaking.isAway = false;
  const backAt = performance.now();
  await until('it may again', () => heartbeat.takeOverUntil);
  expect(performance.now() - backAt).toBeGreaterThan(800);
  heartbeat.stop();
});

/** How long a client waits for an answer beyond the server's time limit: see `createPool`. */
const CLIENT_EXTRA_MS = 2_000;

test.each(['extraction', 'embedding'] as const)(
  'a renewal of %s that gets no answer leaves time for another try within its lease',
  (stage) => {
    const { database: settings, stages } = testSettings();
    const { poolSize, statementTimeout, connectTimeout } = renewalSettings(settings, stages[stage]);
    expect(poolSize).toBe(1);
    expect(statementTimeout + CLIENT_EXTRA_MS + connectTimeout).toBeLessThan(stages[stage].lease);
  },
);
