import { setTimeout as delay } from 'node:timers/promises';
import {
  BrokenCircuitError,
  circuitBreaker,
  CircuitState,
  ConsecutiveBreaker,
  ExponentialBackoff,
  handleWhen,
} from 'cockatiel';
import { ProviderError } from '../providers/provider-error.ts';

/** Why nothing is pulled at the moment. */
export interface Pause {
  readonly cause: string;
  readonly untilMs: number;
}

/** How long to wait before asking again whether a person has mended the account. */
const ACCOUNT_PAUSE_MS = 30_000;
const DEFAULT_RATE_PAUSE_MS = 5_000;

/**
 * Stands between a stage and its provider. Outages open a breaker, rate limits and account trouble
 * pause until a time; while either holds nothing is pulled, so no event is touched and no attempt
 * used. It opens again by itself, first for a single call.
 */
export class ProviderGate {
  readonly #breaker = circuitBreaker(
    handleWhen((error) => error instanceof ProviderError && error.errorClass === 'transient'),
    {
      halfOpenAfter: new ExponentialBackoff({ initialDelay: 500, maxDelay: 5_000 }),
      breaker: new ConsecutiveBreaker(5),
    },
  );
  #pause: Pause | undefined;
  #lastFailure = '';

  /** Runs one call. @throws what the call throws, or a transient ProviderError while it is open. */
  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    try {
      const result = await this.#breaker.execute(work);
      this.#pause = undefined;
      return result;
    } catch (error) {
      if (error instanceof BrokenCircuitError) {
        throw new ProviderError('transient', `not called: ${this.#lastFailure}`, { cause: error });
      }
      if (error instanceof ProviderError) this.#note(error);
      throw error;
    }
  }

  /** The reason for pausing now, if there is one. */
  get pause(): Pause | undefined {
    if (this.#pause !== undefined && this.#pause.untilMs > performance.now()) return this.#pause;
    if (this.#breaker.state === CircuitState.Open) {
      return { cause: `the service fails: ${this.#lastFailure}`, untilMs: performance.now() + 100 };
    }
    return undefined;
  }

  /** Waits until work may be pulled. @returns how much: one event while probing, else no bound. */
  async ready(signal: AbortSignal): Promise<number> {
    for (;;) {
      const { pause } = this;
      if (pause === undefined || signal.aborted) break;
      const wait = Math.min(250, Math.max(10, pause.untilMs - performance.now()));
      await delay(wait, undefined, { signal }).catch(() => undefined);
    }
    const isProbing = this.#pause !== undefined || this.#breaker.state === CircuitState.HalfOpen;
    return isProbing ? 1 : Number.POSITIVE_INFINITY;
  }

  #note(error: ProviderError): void {
    this.#lastFailure = error.message;
    const { errorClass } = error;
    if (errorClass === 'rate_limited') {
      this.#pauseFor(error.retryAfterMs ?? DEFAULT_RATE_PAUSE_MS, `rate limited: ${error.message}`);
    } else if (errorClass === 'quota' || errorClass === 'auth') {
      this.#pauseFor(error.retryAfterMs ?? ACCOUNT_PAUSE_MS, `${errorClass}: ${error.message}`);
    }
  }

  #pauseFor(ms: number, cause: string): void {
    const untilMs = performance.now() + ms;
    if (this.#pause === undefined || this.#pause.untilMs < untilMs)
      this.#pause = { cause, untilMs };
  }
}
