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
  #changed = Promise.withResolvers<void>();

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
    while (this.#events.length > this.#capacity / 2 && !this.#ended) await this.#changed.promise;
    return this.#ended ? 0 : this.#capacity - this.#events.length;
  }

  /** Waits for `count` events, the end, or `enough`, whichever is first. */
  async filled(count: number, enough?: Promise<unknown>): Promise<void> {
    // A failure ends the wait as well: the maker of the promise awaits it.
    const stop = enough?.then(
      () => 'enough',
      () => 'enough',
    );
    while (this.#events.length < count && !this.#ended) {
      const first = await Promise.race([
        this.#changed.promise,
        ...(stop === undefined ? [] : [stop]),
      ]);
      if (first === 'enough') return;
    }
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

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
