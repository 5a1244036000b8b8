import { SHORTEST_MS } from './look-interval.ts';

/** A pause that a new waiter cuts short, but never below the shortest. */
export class LookTimer {
  #from = 0;
  #end: (() => void) | undefined;
  #timer: NodeJS.Timeout | undefined;

  async sleep(ms: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#from = performance.now();
    this.#end = resolve;
    this.#timer = setTimeout(resolve, ms);
    await promise;
    this.#end = undefined;
  }

  hasten(): void {
    if (this.#end === undefined) return;
    const slept = performance.now() - this.#from;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(this.#end, Math.max(0, SHORTEST_MS - slept));
  }
}
