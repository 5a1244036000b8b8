import type { LaneId } from '@memfleet/projections';
import type { Queryable } from '@memfleet/runtime';
import type { LaneState } from './lane-state.ts';
import { storableReason } from './parked-keys.ts';

/** Writes the state of every lane this process holds to where `memfleet status` reads it. */
export async function reportLanes(
  db: Queryable,
  instance: string,
  lanes: readonly { readonly id: LaneId; readonly current: LaneState }[],
): Promise<void> {
  if (lanes.length === 0) return;
  await db.query({
    name: 'lane-report',
    text: `insert into memfleet.lane_reports as last
        (projection, generation, lane, instance, state, cause)
      select projection, generation, lane, $1, state, cause
      from unnest($2::text[], $3::int[], $4::int[], $5::text[], $6::text[])
        as given (projection, generation, lane, state, cause)
      on conflict (projection, generation, lane) do update set
        instance = excluded.instance, state = excluded.state, cause = excluded.cause,
        since = case when last.instance = excluded.instance and last.state = excluded.state
          then last.since else now() end,
        reported_at = now()`,
    values: [
      instance,
      lanes.map(({ id }) => id.projection),
      lanes.map(({ id }) => id.generation),
      lanes.map(({ id }) => id.lane),
      lanes.map(({ current }) => current.state),
      lanes.map(({ current }) => current.cause && storableReason(current.cause)),
    ],
  });
}
