import type { Queryable } from '@memfleet/runtime';
import type { Generation } from '../generations.ts';
import { RebuildError } from './errors.ts';

/** A generation as a swap sees it. */
export interface Place {
  readonly generation: number;
  readonly version: number;
  readonly state: Generation['state'];
  readonly isFilling: boolean;
  readonly viewsSql: string | null;
  readonly verifiedAgainst: number | null;
  /** How long ago the verification was, in ms; null without one. */
  readonly verifiedAgoMs: number | null;
  /** When it stopped being live, in ms since 1970; 0 for one that was never live. */
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
        (extract(epoch from now() - verified_at) * 1000)::float8 as "verifiedAgoMs",
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

/**
 * Counts memories that the next generation parks at a position the live one has passed: their readers
 * would go back to the state before the event that could not be applied.
 */
export async function countLost(
  db: Queryable,
  projection: string,
  live: number,
  next: number,
): Promise<number> {
  const { rows } = await db.query<{ memories: number }>({
    name: 'swap-lost',
    text: `with parked as (
        select generation, tenant, memory, min(sequence) as first
        from memfleet.parked_events where projection = $1 and generation in ($2, $3)
        group by generation, tenant, memory
      )
      select count(*)::int as memories
      from (select * from parked where generation = $3) as next
      left join (select * from parked where generation = $2) as live using (tenant, memory)
      where live.first is null or live.first > next.first`,
    values: [projection, live, next],
  });
  return rows[0]?.memories ?? 0;
}

/** @throws RebuildError */
export function liveOf(name: string, places: readonly Place[]): Place {
  const live = places.find(({ state }) => state === 'live');
  if (live !== undefined) return live;
  throw new RebuildError(`projection ${name} is not provisioned`, 'Run `memfleet provision`.');
}

/** Compares lane by lane when both have the same lanes; else the slowest against the fastest. */
export function behindBy(live: Place, other: Place | undefined): number {
  const positions = other?.positions ?? [];
  const gaps =
    live.positions.length === positions.length
      ? live.positions.map((position, lane) => position - (positions[lane] ?? 0))
      : [Math.max(...live.positions) - Math.min(...positions)];
  return Math.max(0, ...gaps);
}
