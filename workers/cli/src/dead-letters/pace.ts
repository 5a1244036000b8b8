import { sleep } from '@memfleet/runtime';

/** Limits turns per second, evenly spread; missed turns are not made up for. */
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
    // A timer is about a millisecond late: waits this short even out, so the next wait includes them.
    if (at - now < 1) return;
    await sleep(at - now, signal);
  }
}
