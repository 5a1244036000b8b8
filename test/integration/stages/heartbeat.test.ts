import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { type Held, InFlight } from '../../../shared/stages/src/admission/in-flight.ts';
import { claim } from '../../../shared/stages/src/claims/dedupe.ts';
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
  readonly held: Held;
  readonly beats: () => number;
}

/** An event that counts the answers sent to the broker about it. */
function hold(inFlight: InFlight): Watched {
  let beats = 0;
  const message: Pick<Delivery, 'working'> = {
    working: () => {
      beats += 1;
    },
  };
  return { held: inFlight.hold(message as Delivery), beats: () => beats };
}

async function claimFor(held: Held): Promise<void> {
  const [key, token] = [randomUUID(), randomUUID()];
  const asked = { key, tenant: 'a', eventId: key, sequence: 1, digest: randomBytes(32) };
  await claim(database.pool, STAGE, [asked], token, 60_000);
  held.claim = { key, token, redrives: 0 };
}

async function steal({ claim: lost }: Held): Promise<void> {
  await database.pool.query(
    'update memfleet.stage_work set lease_token = gen_random_uuid() where event_key = $1',
    [lost?.key],
  );
}

/** The timers of these never fire: the tests send beats by hand. */
function heartbeatOf(inFlight: InFlight, options: Partial<HeartbeatOptions> = {}): Heartbeat {
  return new Heartbeat({
    stage: STAGE,
    inFlight,
    db: database.pool,
    ackWaitMs: 600_000,
    leaseMs: 600_000,
    deadlineMs: 600_000,
    log: silent,
    ...options,
  });
}

test('every held event is kept alive from receipt on, claimed or not', async () => {
  const inFlight = new InFlight(10);
  const [waiting, claimed] = [hold(inFlight), hold(inFlight)];
  await claimFor(claimed.held);
  const heartbeat = heartbeatOf(inFlight);
  await heartbeat.beat();
  await heartbeat.beat();
  expect([waiting.beats(), claimed.beats()]).toEqual([2, 2]);
  heartbeat.stop();
});

test('at the deadline the work stops and no further beat goes out', async () => {
  const inFlight = new InFlight(10);
  const { held, beats } = hold(inFlight);
  held.begunAt = performance.now();
  const settling = hold(inFlight);
  inFlight.beginSettling(settling.held);
  const heartbeat = heartbeatOf(inFlight, { deadlineMs: 0 });
  await heartbeat.beat();
  await heartbeat.beat();
  expect(held.abort.signal.reason).toBeInstanceOf(DeadlineExceeded);
  expect(beats()).toBe(0);
  // Its handler has returned: the later steps have limits of their own.
  expect([settling.held.abort.signal.aborted, settling.beats()]).toEqual([false, 2]);
  heartbeat.stop();
});

test('an event that waits for its claim has no deadline yet', async () => {
  const inFlight = new InFlight(10);
  const { held, beats } = hold(inFlight);
  const heartbeat = heartbeatOf(inFlight, { deadlineMs: 0 });
  await heartbeat.beat();
  expect([held.abort.aborted, beats()]).toEqual([false, 1]);
  heartbeat.stop();
});

test('when one event has two claims, the work of the stale one stops and the live one goes on', async () => {
  const inFlight = new InFlight(10);
  const [stale, live] = [hold(inFlight), hold(inFlight)];
  await claimFor(live.held);
  const { key = '', redrives = 0 } = live.held.claim ?? {};
  stale.held.claim = { key, token: randomUUID(), redrives };
  const heartbeat = heartbeatOf(inFlight);
  expect(await heartbeat.renew()).toBe(true);
  expect(stale.held.abort.reason).toBeInstanceOf(LeaseLost);
  expect(live.held.abort.aborted).toBe(false);
  heartbeat.stop();
});

test('a claim whose result waits to be recorded is renewed', async () => {
  const inFlight = new InFlight(10);
  const { held } = hold(inFlight);
  await claimFor(held);
  inFlight.beginSettling(held);
  held.awaitsRecord = true;
  const leaseUntil = async (): Promise<number> => {
    const { rows } = await database.pool.query<{ until: Date }>(
      'select lease_until as until from memfleet.stage_work where event_key = $1',
      [held.claim?.key],
    );
    return rows[0]?.until.getTime() ?? 0;
  };
  const before = await leaseUntil();
  const heartbeat = heartbeatOf(inFlight);
  await heartbeat.renew();
  expect(await leaseUntil()).toBeGreaterThan(before);
  heartbeat.stop();
});

test('a claim that went to another worker stops its work, and only that', async () => {
  const inFlight = new InFlight(10);
  const [lost, kept] = [hold(inFlight), hold(inFlight)];
  await claimFor(lost.held);
  await claimFor(kept.held);
  await steal(lost.held);
  const heartbeat = heartbeatOf(inFlight);
  expect(await heartbeat.renew()).toBe(true);
  expect(lost.held.abort.signal.reason).toBeInstanceOf(LeaseLost);
  expect(kept.held.abort.signal.aborted).toBe(false);
  await heartbeat.beat();
  expect([lost.beats(), kept.beats()]).toEqual([0, 1]);
  heartbeat.stop();
});

test('after a silence longer than the ack wait the database is asked before the broker is told', async () => {
  const inFlight = new InFlight(10);
  const [lost, kept] = [hold(inFlight), hold(inFlight)];
  await claimFor(lost.held);
  await claimFor(kept.held);
  await steal(lost.held);
  const heartbeat = heartbeatOf(inFlight, { ackWaitMs: 100 });
  heartbeat.stop();
  const startedAt = performance.now();
  await until('the ack wait is over', () => performance.now() - startedAt > 150);
  await heartbeat.beat();
  expect([lost.beats(), kept.beats()]).toEqual([0, 1]);
});

test('a database that does not answer costs no claim', async () => {
  const inFlight = new InFlight(10);
  const { held } = hold(inFlight);
  await claimFor(held);
  const db: HeartbeatOptions['db'] = {
    query: () => Promise.reject(new Error('Connection terminated')),
  };
  const heartbeat = heartbeatOf(inFlight, { db });
  expect(await heartbeat.renew()).toBe(false);
  expect(held.abort.signal.aborted).toBe(false);
  heartbeat.stop();
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

async function leaseOf({ claim: one }: Held): Promise<number> {
  const { rows } = await database.pool.query<{ ms: number }>(
    `select (extract(epoch from lease_until - now()) * 1000)::float8 as ms
     from memfleet.stage_work where event_key = $1`,
    [one?.key],
  );
  return rows[0]?.ms ?? 0;
}

test('after a failure claims are renewed and beats sent as soon as the database is back', async () => {
  const inFlight = new InFlight(10);
  const { held, beats } = hold(inFlight);
  await claimFor(held);
  const breaking = breakable();
  // The regular renewals are minutes apart.
  const heartbeat = heartbeatOf(inFlight, { db: breaking.db });
  breaking.isAway = true;
  expect(await heartbeat.renew()).toBe(false);
  expect([await leaseOf(held), beats()]).toEqual([expect.toSatisfy((ms) => ms <= 60_000), 0]);
  breaking.isAway = false;
  await until('it is renewed', async () => (await leaseOf(held)) > 60_000);
  await until('it is told', () => beats() === 1);
  heartbeat.stop();
});

test('expired claims are taken over once the database has answered for two renewals', async () => {
  const inFlight = new InFlight(10);
  const breaking = breakable();
  const times = { ackWaitMs: 1_200, leaseMs: 1_500 };
  const heartbeat = heartbeatOf(inFlight, { ...times, db: breaking.db });
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
