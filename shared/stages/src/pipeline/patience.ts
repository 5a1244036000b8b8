/** The longest that a rolling deploy may take. */
const PATIENCE_MS = 600_000;
/** An event first met longer ago than this has been taken by another process. */
const FORGOTTEN_MS = 6 * PATIENCE_MS;
/** Events that are remembered; beyond it, a new event waits until others were parked or forgotten. */
const MOST_EVENTS = 100_000;

/**
 * How long ago this process first met an event that it cannot read yet. The number of deliveries cannot
 * tell: it includes those of a pause or an outage.
 */
export class Patience {
  /** When each event was first met, by its position in the log. */
  readonly #metAt = new Map<number, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  isOver(sequence: number): boolean {
    const now = this.#now();
    for (const [oldest, metAt] of this.#metAt) {
      if (now - metAt < FORGOTTEN_MS) break;
      this.#metAt.delete(oldest);
    }
    const metAt = this.#metAt.get(sequence);
    if (metAt === undefined) {
      if (this.#metAt.size < MOST_EVENTS) this.#metAt.set(sequence, now);
      return false;
    }
    const isOver = now - metAt >= PATIENCE_MS;
    if (isOver) this.#metAt.delete(sequence);
    return isOver;
  }
}
