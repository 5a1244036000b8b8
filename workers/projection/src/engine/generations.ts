import { type Projection, readGenerations, type Runnable, runnableOf } from '@memfleet/projections';
import type { FleetConfig, Queryable } from '@memfleet/runtime';

/** The generations to run at the moment; every rebuild changes them. */
export async function findGenerations(
  db: Queryable,
  config: FleetConfig,
  projections: readonly Projection[],
): Promise<Runnable[]> {
  return runnableOf(await readGenerations(db), projections, config);
}
