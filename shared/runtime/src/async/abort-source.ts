/**
 * An AbortController that makes its signal when somebody asks for it. Every event has one, a handler
 * without a call to cancel never looks at it, and a signal with a listener weighs more than the event.
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

  /** The first reason holds. */
  abort(reason: unknown): void {
    if (this.#isAborted) return;
    this.#isAborted = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
    this.#listener?.();
  }

  /** What the work gives, or a rejection as soon as it is aborted. One wait at a time. */
  async race<Result>(work: Promise<Result>): Promise<Result> {
    const { promise: aborted, reject } = Promise.withResolvers<never>();
    this.#listener = () => reject(new Error('aborted', { cause: this.#reason }));
    if (this.#isAborted) this.#listener();
    try {
      // The loser of the race is still watched by it: its rejection is not unhandled.
      return await Promise.race([work, aborted]);
    } finally {
      this.#listener = undefined;
    }
  }
}
