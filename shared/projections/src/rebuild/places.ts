import type { Queryable } from '@memfleet/runtime';
import type { Generation } from '../generations.ts';

/** A generation as a swap sees it. */
export interface Place {
  readonly generation: number;
  readonly version: number;
  readonly state: Generation['state'];
  readonly isFilling: boolean;
  readonly viewsSql: string | null;
  readonly verifiedAgainst: number | null;
  /** When it stopped being live, in ms since 1970; 0 for one that never was. */
  readonly demotedAt: number;
  /** Checkpoints, by lane. */
  readonly positions: readonly number[];
}

/** Every generation of a projection that is not retired. */
export async function readPlaces(db: Queryable, projection: string): Promise<Place[]> {
  const { rows } = await db.query<Omit<Place, 'positions'> & { positions: string[] }>({
    name: 'swap-places',
    text: `select generation, version, state, deferred_indexes is not null as "isFilling",
        views_sql as "viewsSql", verified_against as "verifiedAgainst",
        coalesce(extract(epoch from demoted_at) * 1000, 0)::float8 as "demotedAt",
        array(
          select position::text from memfleet.checkpoints
          where checkpoints.projection = generations.projection
            and checkpoints.generation = generations.generation
          order by lane
        ) as positions
      from memfleet.projection_generations as generations
      where projection = $1 and state <> 'retired' order by generation`,
    values: [projection],
  });
  return rows.map(({ positions, ...row }) =>
    Object.assign(row, { positions: positions.map(Number) }),
  );
}
