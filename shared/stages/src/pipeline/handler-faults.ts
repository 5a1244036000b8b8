import { messageOf } from '@memfleet/runtime';
import { type OutputGate, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import type { Outcome } from '../outcome.ts';

/** Events whose failures are remembered; what is forgotten fails once more without an attempt. */
const MOST_REMEMBERED = 10_000;

/**
 * Handlers whose own database complains of itself, as of a table or a permission that is missing. As a
 * rule that is no event's fault: nothing new is taken then, but one event now and then to see whether
 * it is over. An event that fails so again after others were done is to blame itself.
 */
export class HandlerFaults {
  readonly #gate: OutputGate;
  /** Events that were done, ever. */
  #done = 0;
  /** By the key of an event that failed so, how many others were done before. */
  readonly #failed = new Map<string, number>();

  constructor(gate: OutputGate) {
    this.#gate = gate;
  }

  /** @returns whether the event is to blame */
  failed(key: string, error: unknown): boolean {
    const before = this.#failed.get(key);
    this.#failed.delete(key);
    this.#failed.set(key, this.#done);
    const [oldest = ''] = this.#failed.keys();
    if (this.#failed.size > MOST_REMEMBERED) this.#failed.delete(oldest);
    if (before !== undefined && before < this.#done) return true;
    const cause = `the database refuses: handlers fail: ${messageOf(error)}. Restore what it names (permission, table, disk); it is tried again until then.`;
    this.#gate.close(this, new Refused(cause, PROBE_AFTER_MS.unclear));
    return false;
  }

  ended(key: string, { kind }: Outcome<unknown>): void {
    // A skip may not have needed the database: it lets others try, and puts the blame on none.
    if (kind === 'done') this.#done += 1;
    this.#failed.delete(key);
    this.#gate.open(this);
  }
}
