import { type Projection, readGenerations, type Runnable, runnableOf } from '@memfleet/projections';
import type { FleetConfig, Queryable } from '@memfleet/runtime';

/** What there is to run at the moment: it changes with every rebuild. */
export async function findGenerations(
  db: Queryable,
  config: FleetConfig,
  projections: readonly Projection[],
): Promise<Runnable[]> {
  return runnableOf(await readGenerations(db), projections, config);
}
