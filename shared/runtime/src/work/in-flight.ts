import type { JsMsg } from '@nats-io/jetstream';

/** An event between receipt and settlement. */
export interface Held {
  readonly message: JsMsg;
  readonly receivedAt: number;
  /** Ends the work: deadline, lost lease or shutdown. */
  readonly abort: AbortController;
  /** Set once the event is claimed in the dedupe table. */
  claim?: { readonly key: string; readonly token: string };
}

/**
 * The events an input holds, and the free slots it has left. Heartbeats go out for all of them from
 * receipt on, not from the start of work: the ack timer runs from delivery.
 */
export class InFlight {
  readonly #slots: number;
  readonly #held = new Set<Held>();
  #onFree: (() => void) | undefined;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get size(): number {
    return this.#held.size;
  }

  get free(): number {
    return this.#slots - this.#held.size;
  }

  hold(message: JsMsg): Held {
    const held: Held = { message, receivedAt: performance.now(), abort: new AbortController() };
    this.#held.add(held);
    return held;
  }

  letGo(held: Held): void {
    this.#held.delete(held);
    this.#onFree?.();
  }

  [Symbol.iterator](): IterableIterator<Held> {
    return this.#held.values();
  }

  /** Waits until `count` slots are free, or the limit is over. */
  async untilFree(count: number, limitMs: number | undefined, signal: AbortSignal): Promise<void> {
    if (this.free >= count || signal.aborted) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#onFree = () => {
      if (this.free >= count) resolve();
    };
    const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
    const onAbort = (): void => resolve();
    signal.addEventListener('abort', onAbort, { once: true });
    await promise;
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
    this.#onFree = undefined;
  }

  /** Waits until nothing is held, or the limit is over. @returns whether it is empty. */
  async drained(limitMs: number): Promise<boolean> {
    await this.untilFree(this.#slots, limitMs, new AbortController().signal);
    return this.#held.size === 0;
  }
}
