import { setTimeout as delay } from 'node:timers/promises';
import { isTransientDatabaseError, type Queryable } from '@memfleet/runtime';

const POLL_MS = 10;

/**
 * Read your writes: waits until the live tables of a projection hold everything up to a log
 * position, such as the one an append returned.
 * @throws the signal's reason, when it ends the wait
 */
export async function waitFor(
  db: Queryable,
  projection: string,
  sequence: number,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    if (await isReached(db, projection, sequence)) return;
    await delay(POLL_MS, undefined, { signal });
  }
}

async function isReached(db: Queryable, projection: string, sequence: number): Promise<boolean> {
  try {
    const { rows } = await db.query<{ reached: boolean }>({
      name: 'wait-for',
      text: `select coalesce(bool_and(position >= $2), false) as reached
        from memfleet.checkpoints
        join memfleet.projection_generations using (projection, generation)
        where projection = $1 and state = 'live'`,
      values: [projection, sequence],
    });
    return rows[0]?.reached === true;
  } catch (error) {
    // A database that restarts is a reason to wait longer, within the caller's limit.
    if (isTransientDatabaseError(error)) return false;
    throw error;
  }
}
