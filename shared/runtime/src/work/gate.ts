import { setTimeout as delay } from 'node:timers/promises';
import { ProviderError } from '../providers/provider-error.ts';

/** Why nothing is pulled at the moment. */
export interface Pause {
  readonly cause: string;
  /** On the clock of performance.now(). */
  readonly untilMs: number;
}

/** Failures in a row that make an outage of single errors. */
const OUTAGE_AFTER = 5;
/** Between two probes of an outage; the last bounds how late a recovery is noticed. */
const OUTAGE_PAUSES_MS = [500, 1_000, 2_000, 4_000];
/** How long to wait before asking again whether a person has mended the account. */
const ACCOUNT_PAUSE_MS = 30_000;
const RATE_PAUSE_MS = 5_000;
/** A probe may come to nothing without a call, when its event needs none: then another may go. */
const PROBE_TURN_MS = 1_000;

/**
 * Stands between a stage and its provider, as a circuit breaker that knows the classes of provider
 * errors. Outages, rate limits and account trouble pause until a time; while a pause holds nothing
 * is pulled, so no event is touched and no attempt used. When it is over, a single call probes: its
 * success opens the gate, its failure pauses again.
 */
export class ProviderGate {
  #pause: Pause | undefined;
  #failures = 0;
  #outages = 0;
  #probing = false;
  #nextProbeMs = 0;
  /** Rises with every pause: a call that began before it proves nothing about its end. */
  #era = 0;

  /** Runs one call. @throws what the call throws, or a transient ProviderError while it pauses. */
  async call<Result>(work: () => Promise<Result>): Promise<Result> {
    const isProbe = this.#pause !== undefined;
    if (this.#pause !== undefined && (this.pause !== undefined || this.#probing)) {
      throw new ProviderError('transient', `not called: ${this.#pause.cause}`);
    }
    const era = this.#era;
    if (isProbe) this.#probing = true;
    try {
      const result = await work();
      if (era === this.#era) this.#recovered();
      return result;
    } catch (error) {
      if (error instanceof ProviderError) this.#note(error, era);
      throw error;
    } finally {
      if (isProbe) this.#probing = false;
    }
  }

  /** The reason for pausing now, if there is one. */
  get pause(): Pause | undefined {
    return this.#pause !== undefined && this.#pause.untilMs > performance.now()
      ? this.#pause
      : undefined;
  }

  /** Why calls are held back: as `pause`, and while a probe is under way too. */
  get cause(): string | undefined {
    return this.#pause?.cause;
  }

  /** Waits until work may be pulled. @returns how much: one event for a probe, else no bound. */
  async ready(signal: AbortSignal): Promise<number> {
    while (this.#pause !== undefined && !signal.aborted) {
      const now = performance.now();
      const wait = Math.max(this.#pause.untilMs, this.#nextProbeMs) - now;
      if (wait <= 0 && !this.#probing) {
        this.#nextProbeMs = now + PROBE_TURN_MS;
        return 1;
      }
      await delay(Math.min(100, Math.max(10, wait)), undefined, { signal }).catch(() => undefined);
    }
    return Number.POSITIVE_INFINITY;
  }

  #recovered(): void {
    this.#pause = undefined;
    this.#failures = 0;
    this.#outages = 0;
  }

  #note(error: ProviderError, era: number): void {
    const { errorClass, message, retryAfterMs } = error;
    switch (errorClass) {
      case 'rate_limited':
        this.#pauseFor(retryAfterMs ?? RATE_PAUSE_MS, `rate limited: ${message}`);
        return;
      case 'quota':
      case 'auth':
        this.#pauseFor(retryAfterMs ?? ACCOUNT_PAUSE_MS, `${errorClass}: ${message}`);
        return;
      case 'transient': {
        // The calls that were under way when the outage began are one failure, not many.
        if (era !== this.#era) return;
        this.#failures += 1;
        if (this.#failures < OUTAGE_AFTER && this.#pause === undefined) return;
        const ms = OUTAGE_PAUSES_MS[Math.min(this.#outages, OUTAGE_PAUSES_MS.length - 1)] ?? 0;
        this.#outages += 1;
        this.#pauseFor(retryAfterMs ?? ms, `the service fails: ${message}`);
        return;
      }
      case 'invalid_input':
      case 'invalid_output':
        // The service answers: what it says about one input is no reason to leave it alone.
        if (era === this.#era) this.#recovered();
    }
  }

  #pauseFor(ms: number, cause: string): void {
    const untilMs = performance.now() + ms;
    this.#era += 1;
    this.#nextProbeMs = 0;
    if (this.pause === undefined || this.pause.untilMs < untilMs) this.#pause = { cause, untilMs };
  }
}
