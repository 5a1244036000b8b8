import { flight, type FlightStatement, sqlState, transaction } from '@memfleet/runtime';
import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { over } from '../../support/over.ts';

const SET = `with written as (update counters set value = $2::int where name = $1)
  select memfleet.in_flight()`;

function set(name: string, value: number): FlightStatement {
  return { name: 'set', text: SET, values: [name, value] };
}

/** A value that the driver cannot encode. */
class Unprintable {
  toPostgres(): never {
    throw new RangeError('not to be written');
  }
}

async function withCounters(): Promise<TestDatabase> {
  const database = await createTestDatabase();
  await database.pool.query(`create table counters (name text primary key, value int not null);
    insert into counters values ('a', 0), ('b', 0)`);
  return database;
}

async function values({ pool }: TestDatabase): Promise<Record<string, number>> {
  const { rows } = await pool.query<{ name: string; value: number }>('select * from counters');
  return Object.fromEntries(rows.map(({ name, value }) => [name, value]));
}

async function failureOf(work: Promise<unknown>): Promise<unknown> {
  return await work.then(
    () => undefined,
    (error: unknown) => error,
  );
}

test('a flight is one transaction: all of it is committed, or nothing', async () => {
  await using database = await withCounters();
  const { pool } = database;
  await flight(pool, [set('a', 1), set('b', 1)]);
  expect(await values(database)).toEqual({ a: 1, b: 1 });
  const double = `with written as (insert into counters values ('a', 0))
    select memfleet.in_flight()`;
  const refused = { name: 'double', text: double, values: [] };
  const error = await failureOf(flight(pool, [set('a', 2), refused, set('b', 2)]));
  // The first failure is the cause; the refusals of the others follow from it.
  expect(sqlState(error)).toBe('23505');
  expect(await values(database)).toEqual({ a: 1, b: 1 });
  // The connection is still usable, and outside of any transaction.
  await pool.query(`update counters set value = 3 where name = 'a'`);
  expect(await values(database)).toEqual({ a: 3, b: 1 });
  expect(pool.totalCount).toBe(1);
});

test.each([
  // The name of a prepared statement allows only one text: the driver refuses the second.
  ['the driver refuses a statement', { name: 'set', text: `${SET} `, values: ['a', 9] }],
  ['a statement does not count itself', { name: 'uncounted', text: 'select 1', values: [] }],
  ['the driver cannot write a value', { ...set('a', 9), values: [new Unprintable(), 9] }],
] as const)('nothing is committed when %s, at any place', async (_, missing) => {
  await using database = await withCounters();
  const rest = [set('a', 1), set('b', 1)];
  for (let place = 0; place <= rest.length; place += 1) {
    const statements = rest.toSpliced(place, 0, missing as FlightStatement);
    expect(await failureOf(flight(database.pool, statements))).toBeInstanceOf(Error);
    expect(await values(database), `at ${place}`).toEqual({ a: 0, b: 0 });
    await flight(database.pool, [set('a', 0)]);
  }
});

test('a statement of a flight whose transaction did not begin writes nothing', async () => {
  await using database = await withCounters();
  const { pool } = database;
  const alone = async (): Promise<unknown> => failureOf(pool.query(SET, ['a', 5]));
  expect(sqlState(await alone())).toBe('MF003');
  // Nor does it in a transaction that is no flight, or on a connection that has had one.
  const other = transaction(pool, (client) => client.query(SET, ['a', 5]));
  expect(sqlState(await failureOf(other))).toBe('MF003');
  await flight(pool, [set('b', 1)]);
  expect(sqlState(await alone())).toBe('MF003');
  expect(await values(database)).toEqual({ a: 0, b: 1 });
});

test('a flight whose `begin` is refused leaves no statement behind', async () => {
  await using database = await withCounters();
  // As with a cancelled `begin`: the statements sent after it run, each by itself.
  const pool = over(database.pool, {
    connect: async () => {
      const client = await database.pool.connect();
      return over(client, {
        query: async (statement: QueryConfig | string) =>
          typeof statement === 'string' && statement.startsWith('begin')
            ? await client.query('select 1 / 0')
            : await client.query(statement as QueryConfig),
        release: (broken?: Error) => client.release(broken),
      });
    },
  });
  const refused = flight(pool, [set('a', 1), set('b', 1)]);
  expect(sqlState(await failureOf(refused))).toBe('22012');
  expect(await values(database)).toEqual({ a: 0, b: 0 });
});
