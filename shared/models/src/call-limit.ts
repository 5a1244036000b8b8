import { ProviderError } from './provider-error.ts';

/**
 * How long a call may take. One that takes longer is an outage, which uses up no attempt, unless the
 * service was well all the while: it answered calls that were made later, and none of them failed.
 * Then it is this input that it cannot get through with.
 */
export class CallLimit {
  readonly #limitMs: number;
  /** When the call was made that was made last of all those answered. */
  #answeredFrom = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * Runs a call with a signal that ends it at the limit, or when nobody wants it any more.
   * @throws what the call throws; a ProviderError or an Error when it had no answer in time
   */
  async run<Result>(
    call: (signal: AbortSignal) => Promise<Result>,
    wanted: AbortSignal,
  ): Promise<Result> {
    const startedAt = performance.now();
    const timeout = AbortSignal.timeout(this.#limitMs);
    try {
      const result = await call(AbortSignal.any([wanted, timeout]));
      this.#answeredFrom = Math.max(this.#answeredFrom, startedAt);
      return result;
    } catch (error) {
      if (wanted.aborted) throw error;
      if (!timeout.aborted) {
        if (isFaultOfService(error)) this.#failedAt = performance.now();
        throw error;
      }
      const said = `no answer in ${this.#limitMs} ms`;
      if (this.#answeredFrom > startedAt && this.#failedAt < startedAt) {
        throw new Error(`${said}, while later calls had theirs`, { cause: error });
      }
      this.#failedAt = performance.now();
      throw new ProviderError('transient', said, { cause: error });
    }
  }
}

/** What the service says of one input shows that it is well. */
function isFaultOfService(error: unknown): boolean {
  if (!(error instanceof ProviderError)) return false;
  return error.errorClass !== 'invalid_input' && error.errorClass !== 'invalid_output';
}
