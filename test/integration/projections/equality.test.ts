import { PROJECTIONS } from '@memfleet/projections';
import fc from 'fast-check';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { EqualityBench, equalityCase } from './equality-bench.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

/** The environment may ask for more of them, or for the same again. */
const LOGS = Number(process.env['MEMFLEET_TEST_RUNS'] ?? 3);
const SEED = Number(process.env['MEMFLEET_TEST_SEED'] ?? Date.now() % 1_000_000);
/** Most of the time of a log is waiting. */
const SIDE_BY_SIDE = Math.min(6, LOGS);

test(
  'tables, fold of the log, rebuild and rebuild in 8 lanes are the same',
  async () => {
    const benches = await Promise.all(
      Array.from({ length: SIDE_BY_SIDE }, () => EqualityBench.create(broker, PROJECTIONS)),
    );
    try {
      await Promise.all(
        benches.map(async (bench, index) => {
          const numRuns = Math.ceil((LOGS - index) / SIDE_BY_SIDE);
          await fc.assert(
            fc.asyncProperty(equalityCase, (each) => bench.check(each)),
            { numRuns, seed: SEED + index },
          );
        }),
      );
    } finally {
      await Promise.all(benches.map((bench) => bench[Symbol.asyncDispose]()));
    }
    const logs = benches.reduce((sum, bench) => sum + bench.logs, 0);
    const events = benches.reduce((sum, bench) => sum + bench.events, 0);
    process.stderr.write(`projection equality: ${JSON.stringify({ logs, events, seed: SEED })}\n`);
    expect(logs).toBe(LOGS);
  },
  60_000 + LOGS * 15_000,
);
