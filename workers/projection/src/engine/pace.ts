import { setTimeout as delay } from 'node:timers/promises';
import type { Inbox } from './inbox.ts';

/**
 * When traffic is light, each event commits immediately. When events keep coming, a transaction that
 * is not full begins no sooner than the linger time after the one before. So an event never waits for
 * others longer than that, and a steady stream does not become one transaction per event.
 */
export class Pace {
  readonly #lingerMs: number;
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  /** Waits until the next transaction may begin: with `size` events, or with those that have come. */
  async next(inbox: Inbox, size: number): Promise<void> {
    const left = this.#beganAt + this.#lingerMs - performance.now();
    if (left > 0 && inbox.size < size) await inbox.filled(size, delay(left));
  }

  began(): void {
    this.#beganAt = performance.now();
  }
}
