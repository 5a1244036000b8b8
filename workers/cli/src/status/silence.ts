import type { FleetConfig, Queryable } from '@memfleet/runtime';

/** Reports that may be missed before something is said to be silent. */
const MISSED_REPORTS = 5;
const LEAST_MS = 5_000;

/**
 * How long a process may say nothing. One that is stopped, hangs, or cannot write to the database
 * goes on looking well in what it said last.
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
