import type { Pool } from '@memfleet/runtime';
import { until } from './until.ts';

/**
 * Runs a statement while another transaction holds a lock that it needs, and commits that transaction as
 * soon as the statement waits for it.
 * @param lock the statement that takes the lock
 * @param run one statement
 * @returns what it answered, and when the lock ended, by the database's clock to the microsecond
 */
export async function whileLocked<Answer>(
  pool: Pool,
  lock: string,
  run: () => Promise<Answer>,
): Promise<{ readonly answer: Answer; readonly unlockedAt: string }> {
  const holder = await pool.connect();
  try {
    await holder.query('begin');
    await holder.query(lock);
    const { rows } = await holder.query<{ pid: number }>('select pg_backend_pid() as pid');
    const running = run();
    await until('the statement waits for the lock', async () => {
      const waiting = await pool.query(
        'select from pg_stat_activity where $1::int = any (pg_blocking_pids(pid))',
        [rows[0]?.pid],
      );
      return waiting.rowCount === 1;
    });
    const clock = await holder.query<{ now: string }>('select clock_timestamp()::text as now');
    await holder.query('commit');
    return { answer: await running, unlockedAt: clock.rows[0]?.now ?? '' };
  } finally {
    // With whatever it holds, where the wait failed.
    holder.release(true);
  }
}
