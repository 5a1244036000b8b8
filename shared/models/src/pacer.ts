import { setTimeout as delay } from 'node:timers/promises';

/** Far above what this process itself needs for a call, far below what a model does. */
const LONGEST_GAP_MS = 4;
/** Of the time that a call takes, over how much of it as many calls are spread as are under way. */
const SPREAD = 0.75;
/** Weight of the newest call in the mean. */
const NEWEST = 0.1;
/** How far calls may be ahead of that: what comes in small groups anyway does not wait. */
const TOLERANCE_MS = 100;
/** Timers are no finer. */
const SHORTEST_WAIT_MS = 1;

/**
 * Spreads calls that could begin at the same moment. Calls that begin together end together, and then
 * this process handles all their answers before it begins the next: between two waves the service has
 * nothing to do. With 256 slots and calls of one second, 208 calls were under way on average, from 1
 * to 256; spread, 232 to 241, and never fewer than 174. A service also sees no bursts.
 *
 * The spacing is that of the generic cell rate algorithm (ITU-T I.371), with a rate that follows the
 * calls. A spacing of the whole time a call takes made a queue of its own; without the tolerance, half
 * of the time was lost in waiting that had been won.
 */
export class Pacer {
  #nextMs = Number.NEGATIVE_INFINITY;
  #underWay = 0;
  #waiting = 0;
  #meanMs = 0;

  /** Runs a call that has had its turn, and sees how long it takes. @throws what it throws */
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

  /** Waits until a call may begin. @throws when the signal has ended, or ends the wait */
  async turn(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted();
    const now = performance.now();
    const dueMs = Math.max(now, this.#nextMs);
    this.#nextMs = dueMs + this.#gapMs;
    const waitMs = dueMs - TOLERANCE_MS - now;
    if (waitMs < SHORTEST_WAIT_MS) return;
    this.#waiting += 1;
    try {
      await delay(waitMs, undefined, { signal });
    } finally {
      this.#waiting -= 1;
    }
  }

  /** Between the beginnings of two calls; nothing as long as no call has ended. */
  get #gapMs(): number {
    return Math.min(LONGEST_GAP_MS, (SPREAD * this.#meanMs) / (this.#underWay + this.#waiting + 1));
  }
}
