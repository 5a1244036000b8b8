/**
 * An AbortController that creates its signal on first use. Every event has one, but a handler without a
 * call to cancel never uses it, and a signal with a listener takes more memory than the event.
 */
export class AbortSource {
  #controller: AbortController | undefined;
  #listener: (() => void) | undefined;
  #reason: unknown;
  #isAborted = false;

  get aborted(): boolean {
    return this.#isAborted;
  }

  get reason(): unknown {
    return this.#reason;
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController();
      if (this.#isAborted) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  /** The first reason counts. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.();
  }

  /** Waits for the work, or rejects as soon as it is aborted. One wait at a time. */
  async race<Result>(work: Promise<Result>): Promise<Result> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    this.#listener = () => reject(new Error('aborted', { cause: this.#reason }));
    if (this.#isAborted) this.#listener();
    try {
      // The race still watches its loser, so a later rejection is not unhandled.
      return await Promise.race([work, aborted]);
    } finally {
      this.#listener = undefined;
    }
  }
}
