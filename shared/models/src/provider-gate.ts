import { sleep, type Waiting } from '@memfleet/runtime';
import type { Budget, Reservation } from './budget.ts';
import type { Cost } from './cost.ts';
import { type Permit, RateLimiter, type RateLimits } from './limiter.ts';
import { Pacer } from './pacer.ts';
import type { Pause } from './pause.ts';
import { ProviderError } from './provider-error.ts';

export interface Call<Result> {
  /** Tokens the call is expected to take, and those it took. */
  readonly tokens?: number;
  readonly tookTokens?: (result: Result) => number;
  /** Ends the wait for the rate limit; the call itself must use it too. */
  readonly signal?: AbortSignal;
  /** The events that need the call: their waits include the call's wait for the rate limit. */
  readonly waits?: Waiting;
}

/** This many consecutive failures count as an outage. */
const OUTAGE_AFTER = 5;
/** Between two probes of an outage; the last bounds how late a recovery is noticed. */
const OUTAGE_PAUSES_MS = [500, 1_000, 2_000, 4_000];
/** How long to wait before checking again whether a person has fixed the account. */
const ACCOUNT_PAUSE_MS = 30_000;
const RATE_PAUSE_MS = 4_000;
/** A pause that ends at most this much later counts as the same one. */
const SAME_MS = 250;
const NAMED_TENANTS = 3;
const NEVER = new AbortController().signal;
const NOTHING_RESERVED: Reservation = { settle: () => undefined };
/** A probe's event may turn out to need no call: after this time another event may probe. */
const PROBE_TURN_MS = 1_000;
/**
 * A probe may hang, for as long as its call may take. After this time another may go, later with each one
 * that hangs: they would use up the slots.
 */
const PROBE_HANGS_MS = 8_000;
const LAST_PROBE_HANGS_MS = 60_000;

/**
 * Sits between a stage and its provider: a circuit breaker that knows the classes of provider errors, in
 * front of a rate limiter and a budget. Outages, rate limits and account problems pause it until a time.
 * During a pause no events are pulled, so none is touched and no attempt used. Afterwards a single call
 * probes: its success opens the gate, its failure pauses it again. When it does neither, another probes.
 */
export class ProviderGate {
  #pause: Pause | undefined;
  #failures = 0;
  #outages = 0;
  /** When each probe that is under way began. */
  readonly #probes = new Set<{ readonly beganAt: number }>();
  #nextProbeMs = 0;
  /** Rises with every pause: a call that began before the pause proves nothing about its end. */
  #era = 0;
  readonly #pacer = new Pacer();
  readonly #limiter: RateLimiter;
  readonly #budget: Budget | undefined;
  /** Called with pauses that the service imposed, which apply to every process of the stage. */
  onPause: ((cause: string, ms: number) => void) | undefined;

  constructor(parts: { readonly limits?: RateLimits; readonly budget?: Budget } = {}) {
    this.#limiter = new RateLimiter(parts.limits, (cause, ms) => this.onPause?.(cause, ms));
    this.#budget = parts.budget;
  }

  /** `fetch` that reads the remaining quota of the service from every answer. */
  get fetch(): typeof fetch {
    return this.#limiter.fetch;
  }

  /** Reserves room in the budget for a call of this tenant. @throws BudgetSpent */
  async reserve(tenant: string, cost: Cost): Promise<Reservation> {
    return (await this.#budget?.reserve(tenant, cost)) ?? NOTHING_RESERVED;
  }

  /** Whether this tenant's calls are stopped at the moment, while others continue. */
  isSpent(tenant: string): boolean {
    return this.#budget?.isSpent(tenant) ?? false;
  }

  /** The tenants whose calls are stopped. */
  get spentTenants(): readonly string[] {
    return this.#budget?.spentTenants ?? [];
  }

  /** Names the tenants that wait while others' calls continue, if any. */
  get note(): string | undefined {
    const tenants = this.spentTenants;
    if (tenants.length === 0) return undefined;
    const named = tenants.slice(0, NAMED_TENANTS).join(', ');
    const more =
      tenants.length > NAMED_TENANTS ? ` and ${tenants.length - NAMED_TENANTS} more` : '';
    return `budget: spent by ${named}${more}`;
  }

  /** Adopts a pause that the service imposed on another process of the stage. */
  adopt(cause: string, ms: number): void {
    const untilMs = performance.now() + ms;
    if (this.pause === undefined || this.pause.untilMs + SAME_MS < untilMs) this.#hold(ms, cause);
  }

  /** Reads the spending; `processes` share the limits and the budget. */
  async refresh(processes: number): Promise<void> {
    this.#limiter.shareAmong(processes);
    await this.#budget?.refresh(processes);
  }

  /**
   * Runs one call as soon as the rate limit allows it.
   * @throws the call's error, or a ProviderError when it was not made
   */
  async call<Result>(work: () => Promise<Result>, call: Call<Result> = {}): Promise<Result> {
    const { tokens = 0, tookTokens, signal = NEVER, waits } = call;
    this.#mustBeOpen();
    const probe = this.#pause === undefined ? undefined : { beganAt: performance.now() };
    if (probe !== undefined) this.#probes.add(probe);
    try {
      const permit = await this.#turn(tokens, signal, waits);
      try {
        // The gate may have closed during the wait.
        if (probe === undefined) this.#mustBeOpen();
        const result = await this.#made(work);
        permit.end(tookTokens?.(result));
        return result;
      } finally {
        permit.end(0);
      }
    } finally {
      if (probe !== undefined) this.#probes.delete(probe);
    }
  }

  async #turn(tokens: number, signal: AbortSignal, waits: Waiting | undefined): Promise<Permit> {
    const endWait = waits?.begin();
    try {
      await this.#pacer.turn(signal);
      return await this.#limiter.acquire(tokens, signal);
    } finally {
      endWait?.();
    }
  }

  #mustBeOpen(): void {
    if (this.#pause !== undefined && (this.#holds(this.#pause) || this.#isProbing)) {
      throw new ProviderError('transient', `not called: ${this.#pause.cause}`);
    }
  }

  async #made<Result>(work: () => Promise<Result>): Promise<Result> {
    const era = this.#era;
    try {
      const result = await this.#pacer.run(work);
      if (era === this.#era) this.#recovered();
      return result;
    } catch (error) {
      if (error instanceof ProviderError) this.#note(error, era);
      throw error;
    }
  }

  /** The reason for pausing now, if there is one. */
  get pause(): Pause | undefined {
    const pauses = [this.#pause, this.#budget?.pause, this.#limiter.pause];
    return pauses
      .filter((pause) => pause !== undefined && this.#holds(pause))
      .toSorted((a, b) => (b?.untilMs ?? 0) - (a?.untilMs ?? 0))[0];
  }

  /** Why calls are held back: like `pause`, but also while a probe is in progress. */
  get cause(): string | undefined {
    return (this.pause ?? this.#pause)?.cause;
  }

  #holds(pause: Pause): boolean {
    return pause.untilMs > performance.now();
  }

  /** Waits until events may be pulled. @returns how many: one for a probe, otherwise no limit. */
  async ready(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      const now = performance.now();
      const { pause } = this;
      if (pause === undefined && this.#pause === undefined && !this.#limiter.isBusy) break;
      const probeMs =
        this.#pause === undefined ? 0 : Math.max(this.#pause.untilMs, this.#nextProbeMs);
      const wait = Math.max(pause?.untilMs ?? 0, probeMs) - now;
      if (wait <= 0 && this.#pause !== undefined && !this.#isProbing) {
        this.#nextProbeMs = now + PROBE_TURN_MS;
        return 1;
      }
      await sleep(Math.min(100, Math.max(10, wait)), signal);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Whether a probe is under way whose answer is worth waiting for. */
  get #isProbing(): boolean {
    const probes = [...this.#probes];
    const last = Math.max(...probes.map(({ beganAt }) => beganAt));
    const limitMs = Math.min(PROBE_HANGS_MS * probes.length, LAST_PROBE_HANGS_MS);
    return performance.now() - last < limitMs;
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
        this.#imposed(retryAfterMs ?? RATE_PAUSE_MS, `rate limited: ${message}`);
        return;
      case 'quota':
      case 'auth':
        this.#imposed(retryAfterMs ?? ACCOUNT_PAUSE_MS, `${errorClass}: ${message}`);
        return;
      case 'transient': {
        // All calls that were in progress when the outage began count as one failure.
        if (era !== this.#era) return;
        this.#failures += 1;
        if (this.#failures < OUTAGE_AFTER && this.#pause === undefined) return;
        const ms = OUTAGE_PAUSES_MS[Math.min(this.#outages, OUTAGE_PAUSES_MS.length - 1)] ?? 0;
        this.#outages += 1;
        this.#hold(retryAfterMs ?? ms, `the service fails: ${message}`);
        return;
      }
      case 'invalid_input':
      case 'invalid_output':
        // The service answers: rejecting one input is no reason to pause it.
        if (era === this.#era) this.#recovered();
    }
  }

  #imposed(ms: number, cause: string): void {
    this.#hold(ms, cause);
    this.onPause?.(cause, ms);
  }

  #hold(ms: number, cause: string): void {
    const untilMs = performance.now() + ms;
    this.#era += 1;
    this.#nextProbeMs = 0;
    const before = this.#pause;
    const isLonger = before !== undefined && this.#holds(before) && before.untilMs >= untilMs;
    if (!isLonger) this.#pause = { cause, untilMs };
  }
}
