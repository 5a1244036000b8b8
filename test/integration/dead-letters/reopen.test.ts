import { randomUUID } from 'node:crypto';
import { markDiscarded } from '@memfleet/stages';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { claim, record } from '../../../shared/stages/src/claims/dedupe.ts';
import { renewClaims } from '../../../shared/stages/src/claims/held-claims.ts';
import { reopen, type Reopening } from '../../../shared/stages/src/dead-letters/reopen.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

const STAGE = { name: 'extraction', version: 1 };
const LEASE_MS = 10_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

function event(redrives: number): Reopening {
  return {
    key: randomUUID(),
    tenant: 'acme',
    eventId: 'e-1',
    sequence: 1,
    digest: Buffer.alloc(32, 1),
    redrives,
  };
}

async function finish(one: Reopening, state: 'done' | 'parked'): Promise<string> {
  const token = randomUUID();
  await claim(database.pool, STAGE, [one], token, LEASE_MS);
  await record(database.pool, STAGE, [{ key: one.key, token, state }]);
  return token;
}

const claimed = async (one: Reopening) =>
  (await claim(database.pool, STAGE, [one], randomUUID(), LEASE_MS))[0];

test('a parked event can be claimed again, once for each redrive number', async () => {
  const one = event(1);
  await finish(one, 'parked');
  await reopen(database.pool, STAGE, [one]);
  // As after a crash between the two.
  await reopen(database.pool, STAGE, [one]);
  expect(await claimed(one)).toMatchObject({ kind: 'claimed', attempt: 1, redrives: 1 });
  // A second worker with the same delivery does not take it away.
  await reopen(database.pool, STAGE, [one]);
  expect(await claimed(one)).toEqual({ kind: 'leased' });
});

test('parked again, the same number does nothing and the next one does', async () => {
  const one = event(1);
  await finish(one, 'parked');
  await reopen(database.pool, STAGE, [one]);
  await finish(one, 'parked');
  await reopen(database.pool, STAGE, [one]);
  expect(await claimed(one)).toMatchObject({ kind: 'finished', state: 'parked', redrives: 1 });
  await reopen(database.pool, STAGE, [{ ...one, redrives: 2 }]);
  expect(await claimed(one)).toMatchObject({ kind: 'claimed' });
});

test('an event that is done, has another payload, or is claimed for the first time is left alone', async () => {
  const done = event(1);
  await finish(done, 'done');
  await reopen(database.pool, STAGE, [done]);
  expect(await claimed(done)).toMatchObject({ kind: 'finished', state: 'done' });
  const other = event(1);
  const first = { ...other, digest: Buffer.alloc(32, 2) };
  await finish(first, 'parked');
  await reopen(database.pool, STAGE, [other]);
  expect(await claimed(other)).toEqual({ kind: 'conflict' });
  expect(await claimed(first)).toMatchObject({ kind: 'finished', state: 'parked' });
  const held = event(1);
  expect(await claimed(held)).toMatchObject({ kind: 'claimed' });
  await reopen(database.pool, STAGE, [held]);
  expect(await claimed(held)).toEqual({ kind: 'leased' });
});

test('a worker that still holds an old token can neither record nor renew', async () => {
  const one = event(1);
  const token = await finish(one, 'parked');
  await reopen(database.pool, STAGE, [one]);
  const stale = { key: one.key, token };
  const recorded = await record(database.pool, STAGE, [{ ...stale, state: 'done' }]);
  const { kept: renewed } = await renewClaims(database.pool, STAGE, [stale], LEASE_MS);
  expect([recorded.has(stale), renewed.has(stale)]).toEqual([false, false]);
});

test('a discard uses up the redrive number of its letter, and no other', async () => {
  const one = event(1);
  await finish(one, 'parked');
  const letter = { stage: STAGE.name, stageVersion: STAGE.version, ...one, redrives: 0 };
  const discard = async (redrives: number) =>
    await markDiscarded(database.pool, [{ ...letter, redrives }], "it's a trial");
  expect([await discard(1), await discard(0), await discard(0)]).toEqual([0, 1, 0]);
  await reopen(database.pool, STAGE, [one]);
  expect(await claimed(one)).toMatchObject({ kind: 'finished', state: 'parked' });
  const { rows } = await database.pool.query(
    'select reason, redrives from memfleet.stage_work where event_key = $1',
    [one.key],
  );
  expect(rows).toEqual([{ reason: "discarded: it's a trial", redrives: 1 }]);
});
