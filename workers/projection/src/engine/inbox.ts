import type { Delivery } from '@memfleet/runtime';

/**
 * Buffers events between the reader and the writer, in the order they came. It is bounded, so that a
 * slow database slows the reader down instead of filling the memory.
 */
export class Inbox {
  readonly #capacity: number;
  #events: Delivery[] = [];
  #ended = false;
  #error: Error | undefined;
  /** One for each wait under way: of a promise that all share, those that gave up would never go. */
  readonly #waiting = new Set<() => void>();

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#events.length;
  }

  put(events: readonly Delivery[]): void {
    for (const event of events) this.#events.push(event);
    this.#notify();
  }

  /** Nothing more will come; `take` throws the error once everything before it is taken. */
  end(error?: Error): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#error = error;
    this.#notify();
  }

  /** Waits until half of it is free, so that requests stay large, or until the end. */
  async room(): Promise<number> {
    while (this.#events.length > this.#capacity / 2 && !this.#ended) await this.#changed();
    return this.#ended ? 0 : this.#capacity - this.#events.length;
  }

  /** Waits for `count` events, the end, or `enough`, whichever is first. */
  async filled(count: number, enough?: Promise<unknown>): Promise<void> {
    let isEnough = false;
    // A failure ends the wait as well: the maker of the promise awaits it.
    const onEnough = (): void => {
      isEnough = true;
      this.#notify();
    };
    enough?.then(onEnough, onEnough);
    const isOver = (): boolean => this.#events.length >= count || this.#ended || isEnough;
    while (!isOver()) await this.#changed();
  }

  /** Up to `count` events, in order; undefined at the end. @throws the error that `end` was given */
  take(count: number): Delivery[] | undefined {
    if (this.#events.length === 0 && this.#ended) {
      if (this.#error !== undefined) throw this.#error;
      return undefined;
    }
    const taken = this.#events.slice(0, count);
    this.#events = this.#events.slice(count);
    this.#notify();
    return taken;
  }

  async #changed(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.add(resolve);
    await promise;
    this.#waiting.delete(resolve);
  }

  #notify(): void {
    for (const wake of this.#waiting) wake();
  }
}
