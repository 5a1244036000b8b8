import type { Queryable } from '@memfleet/runtime';

/**
 * How many lanes a process may hold so that all live ones have about as many: what is left over goes
 * to whoever asks first.
 */
export function fairShare(lanes: number, workers: number): number {
  return Math.ceil(lanes / Math.max(1, workers));
}

/**
 * Live projection workers, this one included though it may not have reported yet. One that has not
 * reported for `goneAfterMs` is not counted: its lanes are free by then, and the others must not
 * leave a share of them to it.
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
