import type { Queryable } from '@memfleet/runtime';

/** How far the tables behind the views are. */
export interface Place {
  readonly generation: number;
  /** Every lane has reached this position. */
  readonly position: number;
  /** Whether any event waits for its memory to be redriven. */
  readonly hasParked: boolean;
}

/** @returns undefined for a projection that is not provisioned */
export async function readPlace(db: Queryable, projection: string): Promise<Place | undefined> {
  const { rows } = await db.query<{ generation: number; position: string; parked: boolean }>({
    name: 'live-place',
    text: `select generation, min(position) as position,
        exists (
          select from memfleet.parked_events as parked
          where parked.projection = $1 and parked.generation = checkpoints.generation
        ) as parked
      from memfleet.checkpoints
      join memfleet.projection_generations using (projection, generation)
      where projection = $1 and state = 'live'
      group by generation`,
    values: [projection],
  });
  const [row] = rows;
  if (row === undefined) return undefined;
  const { generation, position, parked } = row;
  return { generation, position: Number(position), hasParked: parked };
}

/** The positions among these that hold parked events, and why their memories are parked. */
export async function readParkedAt(
  db: Queryable,
  projection: string,
  generation: number,
  sequences: readonly number[],
): Promise<ReadonlyMap<number, string>> {
  const { rows } = await db.query<{ sequence: string; reason: string }>({
    name: 'parked-at',
    text: `select waiting.sequence, (
          select first.reason from memfleet.parked_events as first
          where first.projection = $1 and first.generation = $2
            and first.tenant = waiting.tenant and first.memory = waiting.memory
          order by first.sequence limit 1
        ) as reason
      from memfleet.parked_events as waiting
      where waiting.projection = $1 and waiting.generation = $2
        and waiting.sequence = any ($3::bigint[])`,
    values: [projection, generation, sequences],
  });
  return new Map(rows.map(({ sequence, reason }) => [Number(sequence), reason]));
}
