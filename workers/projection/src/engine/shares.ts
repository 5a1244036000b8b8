import type { Queryable } from '@memfleet/runtime';
import { GONE_AFTER_MS } from '@memfleet/runtime';

/**
 * How many lanes a process may hold so that all live ones have about as many: what is left over goes
 * to whoever asks first.
 */
export function fairShare(lanes: number, workers: number): number {
  return Math.ceil(lanes / Math.max(1, workers));
}

/** Live projection workers, this one included though it may not have reported yet. */
export async function countWorkers(db: Queryable, instance: string): Promise<number> {
  const { rows } = await db.query<{ others: number }>({
    name: 'projection-workers',
    text: `select count(*)::int as others from memfleet.worker_reports
      where worker = 'projection' and instance <> $1
        and state <> 'stopping' and reported_at > now() - $2 * interval '1 millisecond'`,
    values: [instance, GONE_AFTER_MS],
  });
  return 1 + (rows[0]?.others ?? 0);
}
