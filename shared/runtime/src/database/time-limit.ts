/** A day: longer than any of our statements takes, and within the range of a timer. */
const A_DAY_MS = 86_400_000;

interface Unlimited {
  readonly text: string;
  readonly values?: unknown[];
  /** The driver's own limit, a little above the server's. */
  readonly query_timeout: number;
}

/**
 * A statement whose duration grows with a table. The server's limit belongs to the session:
 * `set statement_timeout = 0`.
 */
export function withoutTimeLimit(text: string, values: unknown[] = []): Unlimited {
  return { text, values, query_timeout: A_DAY_MS };
}
