import { ProviderError } from './provider-error.ts';
import { runningTimeout } from './running-timeout.ts';

/**
 * Limits how long a call may take. A longer call counts as an outage, which uses up no attempt, unless the
 * service was healthy meanwhile: it answered calls that were made later, and none of them failed. Then
 * the service cannot handle this input.
 */
export class CallLimit {
  readonly #limitMs: number;
  /** The start time of the latest-started call that has been answered. */
  #answeredFrom = Number.NEGATIVE_INFINITY;
  #failedAt = Number.NEGATIVE_INFINITY;

  constructor(limitMs: number) {
    this.#limitMs = limitMs;
  }

  /**
   * Runs a call with a signal that ends it at the limit, or when nobody wants it any more.
   * @throws the call's error; a ProviderError or an Error when there was no answer in time
   */
  async run<Result>(
    call: (signal: AbortSignal) => Promise<Result>,
    wanted: AbortSignal,
  ): Promise<Result> {
    const startedAt = performance.now();
    const { signal: timeout, stop } = runningTimeout(this.#limitMs);
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
        throw new Error(`${said}, while later calls were answered`, { cause: error });
      }
      this.#failedAt = performance.now();
      throw new ProviderError('transient', said, { cause: error });
    } finally {
      stop();
    }
  }
}

/** A service that rejects one input is healthy. */
function isFaultOfService(error: unknown): boolean {
  if (!(error instanceof ProviderError)) return false;
  return error.errorClass !== 'invalid_input' && error.errorClass !== 'invalid_output';
}
