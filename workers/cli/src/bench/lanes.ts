import { type LaneId, lanesOf, leaseOf, readGenerations } from '@memfleet/projections';
import { acquireLease } from '@memfleet/runtime';
import type { ThrowAwayFleet } from './throw-away-fleet.ts';

/** Longer than any bench runs. */
const KEPT_AWAY_MS = 3_600_000;

/**
 * Leaves a worker only the lanes of these projections, or of all, by leasing the others: it ignores lanes
 * that another process holds.
 * @returns the lanes it will run
 */
export async function lanesToRun(
  fleet: ThrowAwayFleet,
  only: readonly string[] | undefined,
): Promise<LaneId[]> {
  const lanes = (await readGenerations(fleet.pool)).flatMap((generation) =>
    lanesOf(generation.projection, generation.generation, generation.lanes),
  );
  const running = lanes.filter(({ projection }) => only?.includes(projection) ?? true);
  for (const lane of lanes.filter((each) => !running.includes(each))) {
    await acquireLease(fleet.pool, leaseOf(lane), 'bench', KEPT_AWAY_MS);
  }
  return running;
}
