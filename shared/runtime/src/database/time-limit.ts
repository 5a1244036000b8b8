/** A day: longer than any statement of ours takes, short of what a timer can hold. */
const A_DAY_MS = 86_400_000;

interface Unlimited {
  readonly text: string;
  readonly values?: unknown[];
  /** The driver's own limit, which is kept a little above the server's. */
  readonly query_timeout: number;
}

/**
 * A statement that may take as long as a table is large. The server's limit is the session's:
 * `set statement_timeout = 0`.
 */
export function withoutTimeLimit(text: string, values: unknown[] = []): Unlimited {
  return { text, values, query_timeout: A_DAY_MS };
}
