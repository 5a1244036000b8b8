import { jittered } from '@memfleet/runtime';
import { type OutputGate, Refused } from '../admission/output-gate.ts';

/** An answer that concerns the item itself. */
export class Taken<Result> {
  readonly result: Result | Promise<Result>;
  /** Whether the place accepted it: then it accepts others too, and a refused item is to blame. */
  readonly isProof: boolean;

  constructor(result: Result | Promise<Result>, isProof: boolean) {
    this.result = result;
    this.isProof = isProof;
  }
}

/**
 * What is known about the place at the time of an attempt. `open`: nothing against it. `closed`: it
 * refused before. `proven`: it refused before, and has just accepted something else.
 */
export type Standing = 'open' | 'closed' | 'proven';

export interface OutletOptions<Item, Result> {
  readonly gate: OutputGate;
  /** One answer per item, in order. */
  readonly attempt: (
    items: readonly Item[],
    standing: Standing,
  ) => Promise<readonly (Taken<Result> | Refused)[]>;
  /** The result of an item that is not accepted before the end. */
  readonly giveUp: (item: Item) => Result | Promise<Result>;
  /** Called when an item begins to wait. */
  readonly onWait?: (item: Item) => void;
  readonly onClosed?: (refused: Refused) => void;
  readonly onOpen?: () => void;
  /** Items per attempt. */
  readonly size: number;
  /** Ends all waits. */
  readonly signal: AbortSignal;
}

interface Kept<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/** Waits between two attempts at a closed place; the last bounds how late its opening is noticed. */
const WAITS = { firstMs: 250, lastMs: 8_000 };

/**
 * Sends results to a place that may refuse them all, such as a full log. The outlet keeps the items
 * refused that way, closes the gate so that nothing new starts, and retries one item at a time, after
 * waits that double with each refusal. As soon as one is accepted the others follow, in batches that
 * double in size. When nothing waits any more, the gate opens.
 */
export class Outlet<Item, Result> {
  readonly #options: OutletOptions<Item, Result>;
  #waiting: Kept<Item, Result>[] = [];
  #isClosed = false;

  constructor(options: OutletOptions<Item, Result>) {
    this.#options = options;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** @returns for each item its result, or a promise of it if the item has to wait */
  async put(items: readonly Item[]): Promise<(Result | Promise<Result>)[]> {
    if (items.length === 0) return [];
    if (this.#isClosed) return items.map((item) => this.#wait(item));
    const answers = await this.#options.attempt(items, 'open');
    const refused = answers.find((answer) => answer instanceof Refused);
    if (refused !== undefined) this.#close(refused);
    return items.map((item, index) => {
      const answer = answers[index];
      return answer instanceof Taken ? answer.result : this.#wait(item);
    });
  }

  #wait(item: Item): Result | Promise<Result> {
    if (this.#options.signal.aborted) return this.#options.giveUp(item);
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.push({ item, resolve, reject });
    this.#options.onWait?.(item);
    return promise;
  }

  #close(refused: Refused): void {
    const { gate, onClosed, signal } = this.#options;
    if (signal.aborted) return;
    gate.close(this, refused);
    if (this.#isClosed) return;
    this.#isClosed = true;
    onClosed?.(refused);
    // The caller's items are stored in this very tick, before the first wait is over.
    void this.#retry();
  }

  async #retry(): Promise<void> {
    const { gate, signal, size: most, onOpen } = this.#options;
    let failures = 0;
    let size = 1;
    let standing: Standing = 'closed';
    let isRefused = true;
    do {
      if (isRefused) {
        await jittered(failures, WAITS, signal).catch(() => undefined);
        failures += 1;
      }
      if (signal.aborted) break;
      const answers = await this.#attempt(this.#waiting.splice(0, size), standing);
      const isProven = answers.some((answer) => answer instanceof Taken && answer.isProof);
      // An answer that proves nothing is no refusal either: another worker may have recorded the result.
      isRefused = !isProven && answers.some((answer) => answer instanceof Refused);
      size = isRefused ? 1 : Math.min(most, size * 2);
      if (isProven) [failures, standing] = [0, 'proven'];
      else if (isRefused) standing = 'closed';
    } while (this.#waiting.length > 0);
    this.#isClosed = false;
    gate.open(this);
    this.#abandon(this.#waiting.splice(0));
    if (!signal.aborted) onOpen?.();
  }

  #abandon(rest: readonly Kept<Item, Result>[]): void {
    for (const { item, resolve, reject } of rest) {
      try {
        resolve(this.#options.giveUp(item));
      } catch (error) {
        reject(error);
      }
    }
  }

  async #attempt(
    batch: readonly Kept<Item, Result>[],
    standing: Standing,
  ): Promise<readonly (Taken<Result> | Refused)[]> {
    try {
      const answers = await this.#options.attempt(
        batch.map(({ item }) => item),
        standing,
      );
      for (const [index, waiting] of batch.entries()) {
        const answer = answers[index];
        if (answer instanceof Taken) waiting.resolve(answer.result);
        else {
          // It goes behind the others: it may be to blame itself, and they must not wait for it.
          this.#waiting.push(waiting);
          if (answer !== undefined) this.#options.gate.close(this, answer);
        }
      }
      return answers;
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return [];
    }
  }
}
