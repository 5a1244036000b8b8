import { expect, test } from 'vitest';
import { surviveChaos } from './projection-chaos.ts';

const SEED = Number(process.env['MEMFLEET_TEST_SEED'] ?? Date.now() % 1_000_000);

/** The long version is test/long/projections-chaos.test.ts. */
test.each([
  { disturbances: 10, events: 4_000, lanes: 1 },
  { disturbances: 10, events: 4_000, lanes: 4 },
])(
  'two projection workers, killed and paused, lose and double nothing: %j',
  async (plan) => {
    const { rejectedZombies } = await surviveChaos({ ...plan, seed: SEED });
    expect(rejectedZombies).toBeGreaterThan(0);
  },
  300_000,
);
