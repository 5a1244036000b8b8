import type { Queryable } from '@memfleet/runtime';
import { ProjectionWatch } from './projection-watch.ts';

export interface WaitOptions {
  /** Default: 30,000. */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

const TIMEOUT_MS = 30_000;

/** One watch per projection serves all callers in the process that use the same pool. */
const watches = new WeakMap<Queryable, Map<string, ProjectionWatch>>();

/**
 * Read your writes: waits until the live tables of a projection have applied the log up to a position,
 * such as the one an append returned. Later reads from the same database see it; a replica may lag.
 *
 * With several lanes, all must have passed the position, since only the log knows to which of them the
 * event belongs. A lane without events of its own follows the log within half a second, and can make the
 * wait that much longer. The wait goes on through a promotion: what counts is what the views show.
 * @throws RuntimeError PROJECTION_BEHIND when the time is over; LANE_HALTED and LANE_UNOWNED, when
 * waiting cannot help; EVENT_PARKED, when the event waits for its memory to be redriven; DRIFT for a
 * projection that is not provisioned; the signal's reason, when it ends the wait
 */
export async function waitFor(
  db: Queryable,
  projection: string,
  sequence: number,
  { timeoutMs = TIMEOUT_MS, signal }: WaitOptions = {},
): Promise<void> {
  if (!Number.isSafeInteger(sequence)) throw new RangeError(`${sequence} is no position of a log`);
  await watchOf(db, projection).wait(sequence, timeoutMs, signal);
}

function watchOf(db: Queryable, projection: string): ProjectionWatch {
  const ofDatabase = watches.get(db) ?? new Map<string, ProjectionWatch>();
  watches.set(db, ofDatabase);
  const watch = ofDatabase.get(projection) ?? new ProjectionWatch(db, projection);
  ofDatabase.set(projection, watch);
  return watch;
}
