import type { Queryable } from '@memfleet/runtime';

/**
 * How many lanes a process may hold so that all live processes hold about the same number. Lanes left
 * over go to the first process that asks.
 */
export function fairShare(lanes: number, workers: number): number {
  return Math.ceil(lanes / Math.max(1, workers));
}

/** The live projection workers. */
export interface Workers {
  /** This one included, even if it has not reported yet. */
  readonly count: number;
  /** The others that have run for a while: they have had the time to take the lanes that they can run. */
  readonly steady: ReadonlySet<string>;
}

/**
 * Counts the live projection workers. A worker that has not reported for `goneAfterMs` is not live: its
 * lanes are free by then, and the others must not leave a share of them to it.
 */
export async function liveWorkers(
  db: Queryable,
  instance: string,
  { goneAfterMs, steadyMs }: { readonly goneAfterMs: number; readonly steadyMs: number },
): Promise<Workers> {
  const { rows } = await db.query<{ instance: string; steady: boolean }>({
    name: 'projection-workers',
    text: `select instance, started_at < now() - $3 * interval '1 millisecond' as steady
      from memfleet.worker_reports
      where worker = 'projection' and instance <> $1
        and state <> 'stopping' and reported_at > now() - $2 * interval '1 millisecond'`,
    values: [instance, goneAfterMs, steadyMs],
  });
  const steady = rows.filter((row) => row.steady).map((row) => row.instance);
  return { count: 1 + rows.length, steady: new Set(steady) };
}
