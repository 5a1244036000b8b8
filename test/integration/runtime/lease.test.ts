import { setTimeout as delay } from 'node:timers/promises';
import {
  acquireLease,
  heldByOthers,
  isLeaseFree,
  releaseLease,
  renewLease,
} from '@memfleet/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { whileLocked } from '../../support/while-locked.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

test('a lease has one owner, and its epoch rises with every change of hands', async () => {
  const { pool } = database;
  const first = await acquireLease(pool, 'lane', 'a', 60_000);
  expect(first).toEqual({ name: 'lane', owner: 'a', epoch: 1n });
  expect(await acquireLease(pool, 'lane', 'b', 60_000)).toBeUndefined();
  expect(await isLeaseFree(pool, 'lane')).toBe(false);
  expect(await heldByOthers(pool, 'a')).toEqual(new Set());
  expect(await heldByOthers(pool, 'b')).toEqual(new Set(['lane']));
  if (first === undefined) return;
  expect(await renewLease(pool, first, 60_000)).toBe(true);
  await releaseLease(pool, first);
  expect(await isLeaseFree(pool, 'lane')).toBe(true);
  expect(await heldByOthers(pool, 'b')).toEqual(new Set());
  const second = await acquireLease(pool, 'lane', 'b', 60_000);
  expect(second?.epoch).toBe(2n);
  // The first owner is a zombie now.
  expect(await renewLease(pool, first, 60_000)).toBe(false);
  await releaseLease(pool, first);
  expect(await acquireLease(pool, 'lane', 'a', 60_000)).toBeUndefined();
});

test('a lease that ran out may be taken; an owner who takes his own again fences his past', async () => {
  const { pool } = database;
  const first = await acquireLease(pool, 'short', 'a', 1);
  await delay(5);
  expect((await acquireLease(pool, 'short', 'b', 60_000))?.epoch).toBe(2n);
  const again = await acquireLease(pool, 'short', 'b', 60_000);
  expect(again?.epoch).toBe(3n);
  expect(first === undefined || (await renewLease(pool, first, 60_000))).toBe(false);
});

test('of many who ask at once one gets it', async () => {
  const owners = Array.from({ length: 8 }, (_, index) => `owner-${index}`);
  const leases = await Promise.all(
    owners.map((owner) => acquireLease(database.pool, 'wanted', owner, 60_000)),
  );
  expect(leases.filter((lease) => lease !== undefined)).toHaveLength(1);
});

test('a lease begins when its row is locked, not when it was asked for', async () => {
  const { pool } = database;
  await acquireLease(pool, 'slow', 'a', 1);
  const lock = (strength: string) =>
    `select from memfleet.leases where name = 'slow' for ${strength}`;
  const isWhole = async (unlockedAt: string): Promise<boolean> => {
    const { rows } = await pool.query<{ whole: boolean }>(
      `select lease_until >= $1::timestamptz + interval '60 seconds' as whole
        from memfleet.leases where name = 'slow'`,
      [unlockedAt],
    );
    return rows[0]?.whole === true;
  };
  const taken = await whileLocked(pool, lock('update'), () =>
    acquireLease(pool, 'slow', 'b', 60_000),
  );
  expect(await isWhole(taken.unlockedAt)).toBe(true);
  const lease = taken.answer;
  if (lease === undefined) throw new Error('the lease is not held');
  // As a commit does that is fenced by it: the row is locked, and not changed.
  const renewed = await whileLocked(pool, lock('share'), () => renewLease(pool, lease, 60_000));
  expect(renewed.answer).toBe(true);
  expect(await isWhole(renewed.unlockedAt)).toBe(true);
});
