import { UnwritableValue } from '@memfleet/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { binaryArray } from '../../../shared/projections/src/sql/binary-array.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

/** What PostgreSQL reads from an array that was sent in its binary format. */
async function echoed(type: string, values: Buffer): Promise<unknown> {
  const { rows } = await database.pool.query<{ echo: unknown }>(
    `select to_jsonb($1::${type}[]) as echo`,
    [values],
  );
  return rows[0]?.echo;
}

const text = fc.string({ unit: 'binary' }).filter((value) => !value.includes('\u0000'));

test('text arrives unchanged', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(text)), async (values) => {
      expect(await echoed('text', binaryArray('text', values))).toEqual(values);
    }),
    { numRuns: 50 },
  );
});

test('whole numbers arrive unchanged, to the last digit', async () => {
  const integer = fc.oneof(
    fc.maxSafeInteger(),
    fc.constantFrom(0, -1, 2 ** 32, -(2 ** 32), 2 ** 31),
  );
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(integer)), async (values) => {
      expect(await echoed('bigint', binaryArray('bigint', values))).toEqual(values);
    }),
    { numRuns: 50 },
  );
});

test('double precision arrives unchanged', async () => {
  const double = fc.double({ noNaN: true, noDefaultInfinity: true }).map((value) => value + 0);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.option(double)), async (values) => {
      expect(await echoed('float8', binaryArray('double precision', values))).toEqual(values);
    }),
    { numRuns: 50 },
  );
});

test.each([
  ['text', 1],
  ['bigint', 1.5],
  ['bigint', 2 ** 53],
  ['int', 'one'],
  ['double precision', Number.NaN],
  ['double precision', '1'],
] as const)('a value that is none of %s is the fault of its row: %s', (type, value) => {
  expect(() => binaryArray(type, [null, value])).toThrow(UnwritableValue);
});
