import { setTimeout as delay } from 'node:timers/promises';
import type { Inbox } from './inbox.ts';

/**
 * When quiet, an event is committed at once; when events keep coming, no transaction that is not full
 * begins sooner than the linger after the one before. So an event waits for others no longer than that,
 * and a steady stream of them does not become a transaction each.
 */
export class Pace {
  readonly #lingerMs: number;
  #beganAt = Number.NEGATIVE_INFINITY;

  constructor(lingerMs: number) {
    this.#lingerMs = lingerMs;
  }

  /** Waits until the next transaction may begin: with so many events, or with what there is. */
  async next(inbox: Inbox, size: number): Promise<void> {
    const left = this.#beganAt + this.#lingerMs - performance.now();
    if (left > 0 && inbox.size < size) await inbox.filled(size, delay(left));
  }

  began(): void {
    this.#beganAt = performance.now();
  }
}
