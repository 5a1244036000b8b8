import type { Pool } from '@memfleet/runtime';

/** The events in the tenant queue so far. */
export interface QueueTrace {
  readonly put: number;
  /** Events that were taken repeatedly. */
  readonly takenAgain: number;
}

/** Rows of the queue are deleted at the end; here they leave a trace. @returns a function that reads it */
export async function traceQueue(pool: Pool): Promise<() => Promise<QueueTrace>> {
  await pool.query(
    `create table queue_trace (deliveries int);
     create function trace() returns trigger language plpgsql
       as 'begin insert into queue_trace values (new.deliveries); return new; end';
     create trigger trace after insert or update of deliveries on memfleet.tenant_queue
       for each row execute function trace()`,
  );
  return async () => {
    const { rows } = await pool.query<QueueTrace>(
      `select count(*) filter (where deliveries = 0)::int as put,
         count(*) filter (where deliveries > 1)::int as "takenAgain"
       from queue_trace`,
    );
    return rows[0] ?? { put: 0, takenAgain: 0 };
  };
}
