import {
  checkDatabase,
  createPool,
  isServerError,
  isTransientDatabaseError,
  retryTransient,
  transaction,
} from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testSettings } from '../../support/settings.ts';

const never = new AbortController().signal;

async function withTable(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.pool.query('create table counters (name text primary key, value int not null)');
  await database.pool.query(`insert into counters values ('a', 0), ('b', 0)`);
  return database;
}

async function valueOf(database: TestDatabase, name: string): Promise<number | undefined> {
  const { rows } = await database.pool.query<{ value: number }>(
    'select value from counters where name = $1',
    [name],
  );
  return rows[0]?.value;
}

test('work that throws rolls back, and the connection stays usable', async () => {
  await using database = await withTable();
  const work = transaction(database.pool, async (client) => {
    await client.query(`update counters set value = 1 where name = 'a'`);
    throw new Error('changed my mind');
  });
  await expect(work).rejects.toThrow('changed my mind');
  expect(await valueOf(database, 'a')).toBe(0);
  expect(database.pool.totalCount).toBeLessThanOrEqual(1);
});

test.each([
  ['at its end', []],
  ['and goes on', [`update counters set value = 2 where name = 'b'`]],
])('work that swallows the error of a statement %s is not committed', async (_, rest) => {
  await using database = await withTable();
  const error: unknown = await transaction(database.pool, async (client) => {
    await client.query(`update counters set value = 1 where name = 'a'`);
    await client.query('select 1 / 0').catch(() => undefined);
    for (const statement of rest) await client.query(statement);
    return 'done';
  }).catch((reason: unknown) => reason);
  expect(error).toMatchObject({
    code: 'TRANSACTION_ABORTED',
    message: 'a statement of the transaction failed, and its error was not passed on',
  });
  // The same work fails again: neither the server nor the moment is at fault.
  expect([isServerError(error), isTransientDatabaseError(error)]).toEqual([false, false]);
  expect([await valueOf(database, 'a'), await valueOf(database, 'b')]).toEqual([0, 0]);
  expect(database.pool.totalCount).toBeLessThanOrEqual(1);
});

test('work that returns to a savepoint after an error is committed', async () => {
  await using database = await withTable();
  await transaction(database.pool, async (client) => {
    await client.query(`update counters set value = 1 where name = 'a'; savepoint here`);
    await client.query('select 1 / 0').catch(() => client.query('rollback to savepoint here'));
  });
  expect(await valueOf(database, 'a')).toBe(1);
});

test('a connection to a server that has become a standby is not used again', async () => {
  await using database = await withTable();
  const pool = createPool(database.url, testSettings().database, { name: 'test' });
  try {
    const pidOf = async (): Promise<number | undefined> => {
      const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
      return rows[0]?.pid;
    };
    const before = await pidOf();
    const write = transaction(pool, async (client) => {
      await client.query('set transaction read only');
      await client.query(`update counters set value = 1 where name = 'a'`);
    });
    await expect(write).rejects.toMatchObject({ code: '25006' });
    expect(await pidOf()).not.toBe(before);
  } finally {
    await pool.end();
  }
});

test('a deadlock is retried until both are through', async () => {
  await using database = await withTable();
  const bothIn = Promise.withResolvers<void>();
  let inside = 0;
  let retries = 0;
  const bump = async (first: string, second: string): Promise<void> =>
    await retryTransient(
      () =>
        transaction(database.pool, async (client) => {
          const add = 'update counters set value = value + 1 where name = $1';
          await client.query(add, [first]);
          inside += 1;
          if (inside === 2) bothIn.resolve();
          await bothIn.promise;
          await client.query(add, [second]);
        }),
      { signal: never, onRetry: () => (retries += 1) },
    );
  await Promise.all([bump('a', 'b'), bump('b', 'a')]);
  expect(retries).toBeGreaterThan(0);
  expect([await valueOf(database, 'a'), await valueOf(database, 'b')]).toEqual([2, 2]);
});

test('a connection that is cut is discarded, and the work runs on another', async () => {
  await using database = await withTable();
  let cuts = 0;
  await retryTransient(
    () =>
      transaction(database.pool, async (client) => {
        await client.query(`update counters set value = value + 1 where name = 'a'`);
        if (cuts > 0) return;
        cuts += 1;
        const { rows } = await client.query<{ pid: number }>('select pg_backend_pid() as pid');
        await database.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
        await client.query('select 1');
      }),
    { signal: never },
  );
  expect(cuts).toBe(1);
  expect(await valueOf(database, 'a')).toBe(1);
});

test('an idle connection that dies ends nothing', async () => {
  await using database = await createTestDatabase();
  const errors: Error[] = [];
  const pool = createPool(database.url, testSettings().database, {
    name: 'idle',
    onError: (error) => errors.push(error),
  });
  const { rows } = await pool.query<{ pid: number }>('select pg_backend_pid() as pid');
  await database.pool.query('select pg_terminate_backend($1)', [rows[0]?.pid]);
  await expect.poll(() => errors.length).toBe(1);
  expect(isTransientDatabaseError(errors[0])).toBe(true);
  await pool.query('select 1');
  await pool.end();
});

test('a statement over its limit ends, and counts as transient', async () => {
  await using database = await createTestDatabase();
  const settings = { ...testSettings().database, statementTimeout: 200 };
  const pool = createPool(database.url, settings, { name: 'slow' });
  const error: unknown = await pool.query('select pg_sleep(10)').catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: '57014' });
  expect(isTransientDatabaseError(error)).toBe(true);
  await pool.end();
});

test('an unreachable database is one clear error without the password', async () => {
  const pool = createPool('postgres://u:hidden@127.0.0.1:1/x', testSettings().database, {
    name: 'nowhere',
  });
  const error: unknown = await checkDatabase(pool, 'postgres://u:hidden@127.0.0.1:1/x').catch(
    (reason: unknown) => reason,
  );
  expect(error).toMatchObject({ code: 'DATABASE_UNREACHABLE' });
  expect(String(error)).toContain('postgres://127.0.0.1:1/x');
  expect(String(error)).not.toContain('hidden');
  await pool.end();
});
