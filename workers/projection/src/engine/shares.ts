import type { Queryable } from '@memfleet/runtime';

/**
 * How many lanes a process may hold so that all live processes hold about the same number. Lanes left
 * over go to the first process that asks.
 */
export function fairShare(lanes: number, workers: number): number {
  return Math.ceil(lanes / Math.max(1, workers));
}

/**
 * Counts live projection workers, including this one even if it has not reported yet. A worker that
 * has not reported for `goneAfterMs` does not count: its lanes are free by then, and the others must
 * not leave a share of them to it.
 */
export async function countWorkers(
  db: Queryable,
  instance: string,
  goneAfterMs: number,
): Promise<number> {
  const { rows } = await db.query<{ others: number }>({
    name: 'projection-workers',
    text: `select count(*)::int as others from memfleet.worker_reports
      where worker = 'projection' and instance <> $1
        and state <> 'stopping' and reported_at > now() - $2 * interval '1 millisecond'`,
    values: [instance, goneAfterMs],
  });
  return 1 + (rows[0]?.others ?? 0);
}
