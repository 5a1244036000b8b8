/** The speed of some work, smoothed over a few seconds, and when it will be done. */
export class Speed {
  readonly #clock: () => number;
  #last: { readonly done: number; readonly lag: number; readonly at: number } | undefined;
  #first: number | undefined;
  #perSecond: number | undefined;
  #shrinking: number | undefined;

  /** @param clock milliseconds that only rise */
  constructor(clock: () => number = () => performance.now()) {
    this.#clock = clock;
  }

  /** Records how much is done in total and how much is left; both may grow. */
  sample(done: number, lag: number): void {
    const at = this.#clock();
    const last = this.#last;
    this.#first ??= done;
    this.#last = { done, lag, at };
    if (last === undefined) return;
    const seconds = (at - last.at) / 1_000;
    if (seconds <= 0) return;
    // The last two seconds count for half of the result.
    const weight = 1 - 0.5 ** (seconds / 2);
    this.#perSecond = blend(this.#perSecond, (done - last.done) / seconds, weight);
    this.#shrinking = blend(this.#shrinking, (last.lag - lag) / seconds, weight);
  }

  get perSecond(): number {
    return Math.max(0, this.#perSecond ?? 0);
  }

  /** Undefined while the remaining work does not shrink. */
  get etaSeconds(): number | undefined {
    const { lag } = this.#last ?? { lag: 0 };
    if (lag === 0) return 0;
    const shrinking = this.#shrinking ?? 0;
    return shrinking > 0 ? lag / shrinking : undefined;
  }

  /** Done since the first sample. */
  get done(): number {
    return Math.max(0, (this.#last?.done ?? 0) - (this.#first ?? 0));
  }
}

function blend(before: number | undefined, now: number, weight: number): number {
  return before === undefined ? now : before * (1 - weight) + now * weight;
}
