import { laneStatus, PROJECTIONS } from '@memfleet/projections';
import type { Fleet } from '../fleet.ts';
import { type LaneLine, laneLine } from '../status/projections.ts';

export interface LaneFilter {
  readonly projection?: string | undefined;
  readonly generation?: number;
}

/** Lanes with their lag, as of now. */
export async function readLanes(
  fleet: Fleet,
  { projection, generation }: LaneFilter,
): Promise<LaneLine[]> {
  const now = Date.now();
  const lanes = (await laneStatus(fleet.pool, PROJECTIONS)).filter(
    (lane) =>
      (projection === undefined || lane.projection === projection) &&
      (generation === undefined || lane.generation === generation),
  );
  return await Promise.all(lanes.map((lane) => laneLine(fleet, lane, now)));
}
