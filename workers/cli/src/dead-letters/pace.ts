import { sleep } from '@memfleet/runtime';

/** So many turns a second at most, evenly spread; what was missed is not made up for. */
export class Pace {
  readonly #gapMs: number;
  #next = 0;

  constructor(perSecond: number | undefined) {
    this.#gapMs = perSecond === undefined ? 0 : 1_000 / perSecond;
  }

  /** Waits for the next turn, or for the signal. */
  async turn(signal: AbortSignal): Promise<void> {
    const now = performance.now();
    const at = Math.max(now, this.#next);
    this.#next = at + this.#gapMs;
    // A timer is a millisecond late or so: waits that short even out, and are left to the next.
    if (at - now < 1) return;
    await sleep(at - now, signal);
  }
}
