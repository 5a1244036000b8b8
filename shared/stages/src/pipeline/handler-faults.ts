import { isServerError, isTransientDatabaseError, messageOf, sqlState } from '@memfleet/runtime';
import { type OutputGate, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import type { Outcome } from '../outcome.ts';

/** Events whose failures are remembered. A forgotten event fails once more without using an attempt. */
const MOST_REMEMBERED = 10_000;
/** About a quarter of an hour, given the waits between them. */
const MANY_FAILURES = 20;
/** A rollback or a lock it did not get: the next try may well succeed, and so do others. */
const PASSING = /^(40|55P03)/;
/** One statement took too long or needed too much memory: the cause is the server, or this event. */
const TOO_MUCH = /^(57014|25P03|25P04|53200)$/;
/**
 * Something is missing, closed or forbidden: no event can be at fault. Other codes of class 42 may come
 * from text that a statement was given, such as a query for a full-text search.
 */
const OF_THE_INSTALLATION = /^(26|28|3D|3F|42501|42P01|42P02|42703|42704|42883|57|58|F0)/;

/**
 * Judges failures of handlers whose own database complains about itself, such as a missing table or
 * permission. As a rule no event is at fault: the stage takes nothing new then, except one event now and
 * then to see whether it is over. Where an event may be at fault, it is to blame when it fails this way
 * again after others were done, or when it is the only failing event and has failed many times in this
 * process. A statement that takes too long needs both: the server may be slow for a while.
 */
export class HandlerFaults {
  readonly #gate: OutputGate;
  /** Events done since the process started. */
  #done = 0;
  /** By the key of an event that failed this way: how many others were done before, and its failures. */
  readonly #failed = new Map<string, { readonly done: number; readonly failures: number }>();

  constructor(gate: OutputGate) {
    this.#gate = gate;
  }

  /** @returns whether the event is to blame */
  failed(key: string, error: unknown): boolean {
    if (!isServerError(error)) return true;
    const code = sqlState(error);
    if (PASSING.test(code)) return false;
    const isTooMuch = TOO_MUCH.test(code);
    // A server that is away tells every statement so, including the next claim and record.
    if (isTransientDatabaseError(error) && !isTooMuch) return false;
    const before = this.#failed.get(key);
    const failures = (before?.failures ?? 0) + 1;
    this.#failed.delete(key);
    this.#failed.set(key, { done: this.#done, failures });
    const [oldest = ''] = this.#failed.keys();
    if (this.#failed.size > MOST_REMEMBERED) this.#failed.delete(oldest);
    const wereOthersDone = before !== undefined && before.done < this.#done;
    const isMany = failures >= MANY_FAILURES && (wereOthersDone || this.#failed.size === 1);
    if (isTooMuch ? isMany : !OF_THE_INSTALLATION.test(code) && (wereOthersDone || isMany)) {
      return true;
    }
    const cause = `the database refuses: handlers fail: ${messageOf(error)}. Restore what it names (permission, table, disk); it is tried again until then.`;
    this.#gate.close(this, new Refused(cause, PROBE_AFTER_MS.unclear));
    return false;
  }

  ended(key: string, { kind }: Outcome<unknown>): void {
    // A skip may not have needed the database: it lets others try, and blames none.
    if (kind === 'done') this.#done += 1;
    this.#failed.delete(key);
    this.#gate.open(this);
  }
}
