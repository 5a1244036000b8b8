import { hashTables, PROJECTIONS } from '@memfleet/projections';
import { provisionTopology, topologyOf } from '@memfleet/runtime';
import type { Pool } from '@memfleet/runtime';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import { generatedLog } from './generated-log.ts';
import { expectedTables } from './oracle.ts';
import { appendAll, createTestFleet } from './support.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

/** A view's rows as the oracle writes them: numbers as numbers, times as text. */
async function viewRows(pool: Pool, view: string): Promise<object[]> {
  const { rows } = await pool.query<Record<string, unknown>>(`select * from memory.${view}`);
  return sorted(
    rows.map((row) =>
      Object.fromEntries(
        Object.entries(row).map(([name, value]) => {
          if (value instanceof Date) return [name, value.toISOString()];
          return [name, NUMBERS.has(name) && value !== null ? Number(value) : value];
        }),
      ),
    ),
  );
}

/** Columns of 64 bits, which the driver hands out as text. */
const NUMBERS = new Set(['sequence', 'access_count', 'mentions', 'memories']);

function sorted(rows: readonly object[]): object[] {
  const byText = (row: object): string =>
    JSON.stringify(Object.entries(row).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  return rows.toSorted((a, b) => (byText(a) < byText(b) ? -1 : 1));
}

/** A log takes some ten seconds on two busy cores; more of them by MEMFLEET_TEST_RUNS. */
const RUNS = Number(process.env['MEMFLEET_TEST_RUNS'] ?? 2);

const SETUPS = [
  { 'projections.batch': '1' },
  { 'projections.batch': '7' },
  { 'projections.batch': '1000' },
  { 'projections.batch': '40', 'projections.lanes': '8' },
];

test('tables are the fold of the log, whatever the batches and lanes', async () => {
  await fc.assert(
    fc.asyncProperty(generatedLog, async (log) => {
      const names = uniqueNames();
      const plain = testSettings(names);
      await provisionTopology(broker.jsm, topologyOf(plain));
      await appendAll(broker, plain, log);
      const expected: Record<string, object[]> = {};
      for (const [view, rows] of Object.entries(expectedTables(log))) expected[view] = sorted(rows);
      const hashes: unknown[] = [];
      for (const setup of SETUPS) {
        const config = testSettings({ ...names, ...setup });
        await using fleet = await createTestFleet(broker, config, PROJECTIONS);
        const engine = fleet.start();
        await fleet.applied(log.length);
        await engine.stop();
        const found: Record<string, object[]> = {};
        for (const view of Object.keys(expected)) found[view] = await viewRows(fleet.pool, view);
        expect(found).toEqual(expected);
        hashes.push(
          await Promise.all(PROJECTIONS.map((projection) => hashTables(fleet.pool, projection, 1))),
        );
      }
      for (const hash of hashes) expect(hash).toEqual(hashes[0]);
      await broker.jsm.streams.delete(plain.log.stream);
    }),
    { numRuns: RUNS },
  );
}, 180_000);
