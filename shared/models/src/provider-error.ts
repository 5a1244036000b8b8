import type { ModelUse } from '@memfleet/events';
import { faultOfUse } from './model-use.ts';

/**
 * The classes of model service failures that the work loop distinguishes:
 * - `transient`      5xx, timeouts, resets: the service is at fault and will recover
 * - `rate_limited`   429: come back after `retryAfterMs`
 * - `quota`, `auth`  nothing will work until a person acts: stop pulling and say so
 * - `invalid_input`  this one input can never work: park it
 * - `invalid_output` the answer does not fit: retry a bounded number of times, then park
 */
export const PROVIDER_ERROR_CLASSES = [
  'transient',
  'rate_limited',
  'quota',
  'auth',
  'invalid_input',
  'invalid_output',
] as const;
export type ProviderErrorClass = (typeof PROVIDER_ERROR_CLASSES)[number];

export class ProviderError extends Error {
  override readonly name = 'ProviderError';
  readonly errorClass: ProviderErrorClass;
  /** HTTP status, if there was one. */
  readonly status: number | undefined;
  /** How long the service asked callers to wait, in ms. */
  readonly retryAfterMs: number | undefined;
  /** What the call cost despite the failure. */
  readonly use: ModelUse | undefined;
  #isAccountedFor = false;

  /** A cost that is no amount is left out, and the message says so: the failure and its class remain. */
  constructor(
    errorClass: ProviderErrorClass,
    message: string,
    options: {
      status?: number;
      retryAfterMs?: number;
      cause?: unknown;
      use?: ModelUse;
    } = {},
  ) {
    const { use } = options;
    const fault = use === undefined ? undefined : faultOfUse(use);
    super(
      fault === undefined ? message : `${message} (its cost is not counted: ${fault})`,
      options.cause === undefined ? undefined : { cause: options.cause },
    );
    this.errorClass = errorClass;
    this.status = options.status;
    this.retryAfterMs = options.retryAfterMs;
    this.use = fault === undefined ? use : undefined;
  }

  /** The same failure, with this cost added. */
  withUse(use: ModelUse): ProviderError {
    const { errorClass, message, status, retryAfterMs } = this;
    return new ProviderError(errorClass, message, {
      ...(status === undefined ? {} : { status }),
      ...(retryAfterMs === undefined ? {} : { retryAfterMs }),
      cause: this.cause ?? this,
      use,
    });
  }

  /** Returns the cost once: several events may wait for one call, and the first accounts for it. */
  takeUse(): ModelUse | undefined {
    if (this.#isAccountedFor) return undefined;
    this.#isAccountedFor = true;
    return this.use;
  }
}
