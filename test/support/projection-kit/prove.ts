import type { Projection, ProjectionFixture } from '@memfleet/projections';
import { describe, expect, test } from 'vitest';
import { proveDatabase } from './prove-database.ts';
import { fixtureLog, proveFixture } from './prove-fixture.ts';
import { type GeneratedLogs, proveGenerated } from './prove-generated.ts';
import { proveLog } from './prove-log.ts';

export interface Proof {
  /** At least one: an example explains more than a hundred generated logs. */
  readonly fixtures: readonly [ProjectionFixture, ...ProjectionFixture[]];
  /** Default: logs with every event type. */
  readonly logs?: GeneratedLogs['logs'];
}

const { MEMFLEET_TEST_LOGS = '100', MEMFLEET_TEST_SEED } = process.env;

/**
 * The tests of a projection: its fixtures, its determinism on generated logs, and the tables that the real
 * engine makes from them. The test file of a projection only has to call this.
 */
export function proveProjection(projection: Projection, { fixtures, logs }: Proof): void {
  describe(`projection ${projection.name}`, () => {
    test.each(fixtures)('fixture: $name', (fixture) => {
      const log = fixtureLog(projection, fixture);
      proveFixture(projection, fixture);
      proveLog(projection, log, 1);
      // An empty log proves nothing.
      expect(log).not.toEqual([]);
    });

    test('generated logs, in any batches, lanes and deliveries', { timeout: 300_000 }, () => {
      const runs = Number(MEMFLEET_TEST_LOGS);
      const proven = proveGenerated(projection, {
        runs,
        ...(logs === undefined ? {} : { logs }),
        ...(MEMFLEET_TEST_SEED === undefined ? {} : { seed: Number(MEMFLEET_TEST_SEED) }),
      });
      expect(proven).toBe(runs);
    });

    test('the tables in PostgreSQL are the fold of the log', { timeout: 300_000 }, async () => {
      const rows = await proveDatabase(projection, fixtures);
      expect(rows).toBeGreaterThan(0);
    });
  });
}
