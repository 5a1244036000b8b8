import { randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import {
  isTransientDatabaseError,
  type Pool,
  type Queryable,
  transaction,
} from '@memfleet/runtime';
import { LanesHeld, RebuildError } from './errors.ts';

/** Generations all of whose lanes stop at one position of the log. */
export interface Hold {
  /** Distinguishes this hold from every other, earlier or later, at any position. */
  readonly id: string;
  readonly projection: string;
  readonly generations: readonly number[];
  readonly position: number;
}

const POLL_MS = 10;

/**
 * From now on no lane of these generations passes the position of the furthest one; those behind
 * advance up to it. The statement that moves a checkpoint obeys the hold, so no lane slips past it.
 * @throws LanesHeld while another hold is in force
 */
export async function holdLanes(
  pool: Pool,
  projection: string,
  generations: readonly number[],
  holdMs: number,
): Promise<Hold> {
  return await transaction(pool, async (client) => {
    // In order, so that two concurrent commands do not deadlock.
    const { rows } = await client.query<{ position: string; held: boolean }>(
      `select position, coalesce(hold_until > clock_timestamp(), false) as held
        from memfleet.checkpoints where projection = $1 and generation = any($2)
        order by generation, lane for update`,
      [projection, generations],
    );
    if (rows.some(({ held }) => held)) throw new LanesHeld(projection);
    const position = Math.max(...rows.map((row) => Number(row.position)));
    const id = randomUUID();
    await client.query(
      `update memfleet.checkpoints
        set hold_id = $5, hold_at = $3,
          hold_until = clock_timestamp() + $4 * interval '1 millisecond'
        where projection = $1 and generation = any($2)`,
      [projection, generations, position, holdMs, id],
    );
    return { id, projection, generations, position };
  });
}

/**
 * Ends this hold. If it ran out and another command's hold followed, that one stays. When the database
 * does not answer, the hold runs out by itself: the work done under it is complete.
 */
export async function releaseLanes(
  db: Queryable,
  { id, projection, generations }: Hold,
): Promise<void> {
  try {
    // Rows are locked in the order in which `holdLanes` locks them: two commands cannot deadlock.
    await db.query(
      `with held as materialized (
          select projection, generation, lane from memfleet.checkpoints
          where projection = $1 and generation = any($2) and hold_id = $3
          order by generation, lane for update
        )
        update memfleet.checkpoints as ended
        set hold_id = null, hold_at = null, hold_until = null
        from held where ended.projection = held.projection
          and ended.generation = held.generation and ended.lane = held.lane
          and ended.hold_id = $3`,
      [projection, generations, id],
    );
  } catch (error) {
    if (!isTransientDatabaseError(error)) throw error;
  }
}

/**
 * Waits until every lane is at the position.
 * @throws RebuildError that names a lane which does not reach it
 */
export async function allHeld(
  db: Queryable,
  hold: Hold,
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const behind = await laneBehind(db, hold);
    if (behind === undefined) return;
    if (performance.now() > deadline) {
      const { generation, lane, position } = behind;
      throw new RebuildError(
        `lane ${lane} of generation ${generation} of ${hold.projection} is at position ${position} and does not reach ${hold.position}`,
        'See `memfleet projection status` for the cause.',
      );
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

async function laneBehind(
  db: Queryable,
  { projection, generations, position }: Hold,
): Promise<{ generation: number; lane: number; position: string } | undefined> {
  const { rows } = await db.query<{ generation: number; lane: number; position: string }>({
    name: 'lane-behind',
    text: `select generation, lane, position from memfleet.checkpoints
      where projection = $1 and generation = any($2) and position <> $3
      order by position limit 1`,
    values: [projection, generations, position],
  });
  return rows[0];
}
