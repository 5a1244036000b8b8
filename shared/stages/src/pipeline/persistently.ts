import { isTransientDatabaseError, jittered, messageOf, retryTransient } from '@memfleet/runtime';
import { type OutputGate, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';

export interface Persistence {
  readonly gate: OutputGate;
  readonly signal: AbortSignal;
  /** What cannot be done meanwhile, as shown by the gate: `claims cannot be released`. */
  readonly what: string;
  /** Whether the database itself is at fault; any other error is rethrown. */
  readonly isItsFault: (error: unknown) => boolean;
  /** Which errors only mean that the database is away; by default all transient ones. */
  readonly isTransient?: (error: unknown) => boolean;
  /** Called before each wait. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

const WAITS = { firstMs: 250, lastMs: 8_000 };

/**
 * Repeats work on the database until it succeeds or the signal ends. While the database is away, it
 * retries as `retryTransient` does. While the database refuses valid statements, as when a permission is
 * missing, it also closes the gate, since new work would fare no better.
 * @throws an error that is not the database's fault; the last error when the signal ends the wait
 */
export async function persistently<Result>(
  work: () => Promise<Result>,
  { gate, signal, what, isItsFault, isTransient, onRetry }: Persistence,
): Promise<Result> {
  const holder = {};
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await retryTransient(work, {
          signal,
          onRetry,
          ...(isTransient === undefined ? {} : { isTransient }),
        });
      } catch (error) {
        const isAway = isTransientDatabaseError(error);
        if (signal.aborted || isAway || !isItsFault(error)) throw error;
        gate.close(holder, refusalOf(what, error));
        onRetry(error, attempt);
        await jittered(attempt - 1, WAITS, signal).catch(() => {
          // The wait was cut short: the failure is the answer.
          throw error;
        });
      }
    }
  } finally {
    gate.open(holder);
  }
}

/** What the gate says while a database refuses everything. */
export function refusalOf(what: string, error: unknown): Refused {
  return new Refused(
    `the database refuses: ${what}: ${messageOf(error)}. Restore what it names (permission, table, disk); it is tried again until then.`,
    PROBE_AFTER_MS.likely,
  );
}
