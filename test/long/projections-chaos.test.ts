import { expect, test } from 'vitest';
import { surviveChaos } from '../chaos/projection-chaos.ts';

/** The environment may repeat a run or change it. */
const { env } = process;
const DISTURBANCES = Number(env['MEMFLEET_CHAOS_KILLS'] ?? 500);
const EVENTS = Number(env['MEMFLEET_CHAOS_EVENTS'] ?? 100_000);
const LANES = Number(env['MEMFLEET_CHAOS_LANES'] ?? 1);
const SEED = Number(env['MEMFLEET_TEST_SEED'] ?? Date.now() % 1_000_000);

test('five hundred kills and pauses of two projection workers neither lose nor double an event', async () => {
  const plan = { disturbances: DISTURBANCES, events: EVENTS, lanes: LANES, seed: SEED };
  const { kills, pauses, zombies } = await surviveChaos(plan);
  expect(kills + pauses + zombies).toBeGreaterThanOrEqual(DISTURBANCES);
}, 7_200_000);
