import { jittered } from '@memfleet/runtime';
import { type OutputGate, Refused } from '../admission/output-gate.ts';

/** An answer that is the item's own. */
export class Taken<Result> {
  readonly result: Result | Promise<Result>;
  /** Whether the place took it: then it takes others as well, and who is refused is to blame. */
  readonly isProof: boolean;

  constructor(result: Result | Promise<Result>, isProof: boolean) {
    this.result = result;
    this.isProof = isProof;
  }
}

/**
 * What is known of the place when an attempt is made. `open`: nothing against it. `closed`: it refused
 * before. `proven`: it refused before, and has just taken something else.
 */
export type Standing = 'open' | 'closed' | 'proven';

export interface OutletOptions<Item, Result> {
  readonly gate: OutputGate;
  /** One answer per item, in order. */
  readonly attempt: (
    items: readonly Item[],
    standing: Standing,
  ) => Promise<readonly (Taken<Result> | Refused)[]>;
  /** What becomes of an item that is not taken before the end. */
  readonly giveUp: (item: Item) => Result | Promise<Result>;
  /** Told when an item begins to wait. */
  readonly onWait?: (item: Item) => void;
  readonly onClosed?: (refused: Refused) => void;
  readonly onOpen?: () => void;
  /** Items in one attempt. */
  readonly size: number;
  /** Ends all waits. */
  readonly signal: AbortSignal;
}

interface Kept<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
}

/** Between two attempts at a closed place; the last bounds how late it is noticed that it is open. */
const WAITS = { firstMs: 250, lastMs: 8_000 };

/**
 * The way of results to a place that may refuse them all, as a log that is full does. What is refused
 * so is kept; the gate is closed, so that nothing new is taken; and one item at a time is tried again,
 * after waits that double with each refusal. As soon as one is taken the others follow, in batches that double, and
 * when nothing waits the gate opens.
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

  /** @returns for each item its result, or the promise of one for those that have to wait */
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
    // The caller's items are put down in this very tick, before the first wait is over.
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
      // What is no proof was not refused either, as a result that another worker has recorded.
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
          // Behind the others: it may be to blame itself, and they must not wait for it.
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
