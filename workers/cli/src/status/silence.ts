import type { FleetConfig, Queryable } from '@memfleet/runtime';

/** A process counts as silent after missing this many reports. */
const MISSED_REPORTS = 5;
const LEAST_MS = 5_000;

/**
 * How long a process may go without reporting. A process that is stopped, hangs, or cannot write to the
 * database still looks healthy in its last report.
 */
export function silentAfterMs({ workers }: FleetConfig): number {
  return Math.max(LEAST_MS, MISSED_REPORTS * workers.report);
}

export function silenceText(instance: string, seconds: number, why: string | undefined): string {
  return withReason(`${instance} has not reported for ${Math.round(seconds)} s`, why);
}

export function withReason(what: string, why: string | undefined): string {
  return why === undefined ? what : `${what}; ${why}`;
}

/** Why nobody can report or renew a lease; undefined when the database takes writes. */
export async function refusalOf(db: Queryable): Promise<string | undefined> {
  const { rows } = await db.query<{ refuses: boolean }>({
    name: 'status-read-only',
    text: `select current_setting('transaction_read_only')::bool as refuses`,
  });
  return rows[0]?.refuses === true ? 'the database is read-only' : undefined;
}
