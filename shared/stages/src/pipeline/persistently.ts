import { isTransientDatabaseError, jittered, messageOf, retryTransient } from '@memfleet/runtime';
import { type OutputGate, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';

export interface Persistence {
  readonly gate: OutputGate;
  readonly signal: AbortSignal;
  /** What is not done meanwhile, for the gate: `claims cannot be released`. */
  readonly what: string;
  /** Whether the database itself is at fault; another error is thrown on. */
  readonly isItsFault: (error: unknown) => boolean;
  /** Told before each wait. */
  readonly onRetry: (error: unknown, attempt: number) => void;
}

const WAITS = { firstMs: 250, lastMs: 8_000 };

/**
 * Repeats work on the database until it succeeds or the signal ends. While the database is away it is
 * asked again as `retryTransient` does; while it refuses what is right, as when a permission is
 * missing, the gate is closed as well, for nothing that is begun now would fare better.
 * @throws what is not the fault of the database; the last error when the signal ends the wait
 */
export async function persistently<Result>(
  work: () => Promise<Result>,
  { gate, signal, what, isItsFault, onRetry }: Persistence,
): Promise<Result> {
  const holder = {};
  try {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await retryTransient(work, { signal, onRetry });
      } catch (error) {
        const isAway = isTransientDatabaseError(error);
        if (signal.aborted || isAway || !isItsFault(error)) throw error;
        gate.close(holder, refusalOf(what, error));
        onRetry(error, attempt);
        await jittered(attempt - 1, WAITS, signal).catch(() => {
          // The wait was cut short: what failed is the answer.
          throw error;
        });
      }
    }
  } finally {
    gate.open(holder);
  }
}

/** What the gate says of a database that refuses everything. */
export function refusalOf(what: string, error: unknown): Refused {
  return new Refused(
    `the database refuses: ${what}: ${messageOf(error)}. Restore what it names (permission, table, disk); it is tried again until then.`,
    PROBE_AFTER_MS.likely,
  );
}
