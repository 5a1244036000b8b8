import { isAmount } from './model-use.ts';
import { patientFetch } from './patient-fetch.ts';
import type { Pause } from './pause.ts';
import { ProviderError } from './provider-error.ts';
import { type Headers, rateLimitsOf } from './retry-after.ts';

export interface RateLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
}

/** Permission for one call. */
export interface Permit {
  /** The call has ended; `tokens` is the number it really used, if known. */
  end(tokens?: number): void;
}

/** An event that would wait longer than this for a permit is given back, and redelivered later. */
const LONGEST_WAIT_MS = 20_000;
/** A shorter wait is not worth reporting. */
const SHORTEST_PAUSE_MS = 1_000;
const LOOK_AGAIN_MS = 1_000;
const USED_UP = 'rate limited: the service says that its limit is used up';

/**
 * Spaces the calls of all slots of a process. Two things limit them: the configured limits, which apply
 * to all processes of the stage together (each uses its share), and the remaining quota that the service
 * reports with every answer, until it resets.
 *
 * No more than one second's quota accumulates, so that no minute gets more than 61 seconds' quota.
 */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #onUsedUp: (cause: string, ms: number) => void;
  #requests: Bucket | undefined;
  #tokens: Bucket | undefined;
  /** The remaining quota, by kind, as the service last reported it. */
  readonly #said = new Map<'requests' | 'tokens', { left: number; readonly untilMs: number }>();
  #underWay = 0;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(limits: RateLimits = {}, onUsedUp: (cause: string, ms: number) => void = () => {}) {
    this.#limits = limits;
    this.#onUsedUp = onUsedUp;
    this.shareAmong(1);
  }

  /** Divides the configured limits among this many processes. */
  shareAmong(processes: number): void {
    const { requestsPerMinute, tokensPerMinute } = this.#limits;
    this.#requests = shared(this.#requests, requestsPerMinute, processes);
    this.#tokens = shared(this.#tokens, tokensPerMinute, processes);
  }

  /** True while a call waits for a permit: no more events should be pulled then. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Why no call may be made for a while, according to the service. */
  get pause(): Pause | undefined {
    const waitMs = this.#saidWaitMs(1);
    if (waitMs < SHORTEST_PAUSE_MS) return undefined;
    return { cause: USED_UP, untilMs: performance.now() + waitMs };
  }

  /**
   * Waits for its turn, in the order of requests.
   * @throws ProviderError rate_limited with the wait when that would be too long; the signal's reason; or a
   *   TypeError when `tokens` is no amount
   */
  async acquire(tokens: number, signal: AbortSignal): Promise<Permit> {
    if (!isAmount(tokens)) {
      throw new TypeError(`a call cannot be expected to take ${tokens} tokens`);
    }
    mustBeShort(this.#waitMs(tokens) + this.#waitMsOfOthers());
    this.#waiting += 1;
    const turn = this.#last.then(() => this.#turn(tokens, signal));
    this.#last = turn.catch(() => undefined);
    try {
      await turn;
    } finally {
      this.#waiting -= 1;
    }
    return this.#permit(tokens);
  }

  /** Reads the remaining quota from the headers of an answer. */
  learn(headers: Headers): void {
    const now = performance.now();
    for (const { what, remaining, resetMs } of rateLimitsOf(headers, Date.now())) {
      // The answered call has ended; the service may not have counted the others yet. The last of them
      // to return gives the exact number.
      const unknown = what === 'requests' ? Math.max(0, this.#underWay - 1) : 0;
      this.#said.set(what, { left: remaining - unknown, untilMs: now + resetMs });
      if (remaining === 0 && resetMs >= SHORTEST_PAUSE_MS) this.#onUsedUp(USED_UP, resetMs);
    }
  }

  /** `fetch` that reads the headers of every answer, errors included. */
  readonly fetch: typeof fetch = async (input, init) => {
    const response = await patientFetch(input, init);
    this.learn(Object.fromEntries(response.headers));
    return response;
  };

  async #turn(tokens: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted();
      const waitMs = this.#waitMs(tokens);
      if (waitMs <= 0) break;
      // A limit learnt during the wait applies to waiting calls as well as to new ones.
      mustBeShort(waitMs);
      // A later answer may report more quota, so check again now and then.
      await pause(Math.min(waitMs, LOOK_AGAIN_MS), signal);
    }
    this.#requests?.take(1);
    this.#tokens?.take(tokens);
    this.#charge('requests', 1);
    this.#charge('tokens', tokens);
  }

  #permit(tokens: number): Permit {
    this.#underWay += 1;
    let hasEnded = false;
    return {
      end: (taken = tokens) => {
        if (hasEnded) return;
        hasEnded = true;
        this.#underWay -= 1;
        // Corrects a wrong estimate: the next calls pay for it, or gain at once. What is no amount corrects
        // nothing: it would let every later call through, or none.
        if (isAmount(taken)) this.#tokens?.take(taken - tokens);
      },
    };
  }

  #charge(what: 'requests' | 'tokens', count: number): void {
    const said = this.#said.get(what);
    if (said !== undefined) said.left -= count;
  }

  #waitMs(tokens: number): number {
    return Math.max(
      this.#requests?.waitMs(1) ?? 0,
      this.#tokens?.waitMs(tokens) ?? 0,
      this.#saidWaitMs(tokens),
    );
  }

  /** How long earlier requests will use up the limit. */
  #waitMsOfOthers(): number {
    return this.#requests === undefined ? 0 : this.#waiting / this.#requests.perMs;
  }

  #saidWaitMs(tokens: number): number {
    const now = performance.now();
    const waits = (['requests', 'tokens'] as const).map((what) => {
      const said = this.#said.get(what);
      if (said === undefined || said.untilMs <= now) return 0;
      return said.left >= (what === 'requests' ? 1 : tokens) ? 0 : said.untilMs - now;
    });
    return Math.max(...waits);
  }
}

/** @throws ProviderError rate_limited when the wait is too long, with how long it is */
function mustBeShort(waitMs: number): void {
  if (waitMs <= LONGEST_WAIT_MS) return;
  throw new ProviderError('rate_limited', 'not called: the wait for the rate limit is too long', {
    retryAfterMs: waitMs,
  });
}

/** A token bucket that holds one second's quota. */
class Bucket {
  readonly perMs: number;
  readonly #capacity: number;
  #level: number;
  #filledAt = performance.now();

  constructor(perMinute: number, level = Number.POSITIVE_INFINITY) {
    this.perMs = perMinute / 60_000;
    this.#capacity = Math.max(1, perMinute / 60);
    this.#level = Math.min(level, this.#capacity);
  }

  get level(): number {
    const now = performance.now();
    this.#level = Math.min(this.#capacity, this.#level + (now - this.#filledAt) * this.perMs);
    this.#filledAt = now;
    return this.#level;
  }

  take(count: number): void {
    this.#level = Math.min(this.#capacity, this.level - count);
  }

  /** A request larger than the bucket may go when the bucket is full, and leaves a debt. */
  waitMs(count: number): number {
    const missing = Math.min(count, this.#capacity) - this.level;
    return missing <= 1e-9 ? 0 : missing / this.perMs;
  }
}

function shared(
  before: Bucket | undefined,
  perMinute: number | undefined,
  processes: number,
): Bucket | undefined {
  if (perMinute === undefined) return undefined;
  const share = perMinute / Math.max(1, processes);
  return before?.perMs === share / 60_000 ? before : new Bucket(share, before?.level);
}

/** Ends early with the signal. */
async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, Math.ceil(ms));
  const onAbort = (): void => resolve();
  signal.addEventListener('abort', onAbort, { once: true });
  await promise;
  clearTimeout(timer);
  signal.removeEventListener('abort', onAbort);
}
