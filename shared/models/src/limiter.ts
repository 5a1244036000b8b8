import { patientFetch } from './patient-fetch.ts';
import type { Pause } from './pause.ts';
import { ProviderError } from './provider-error.ts';
import { type Headers, rateLimitsOf } from './retry-after.ts';

export interface RateLimits {
  readonly requestsPerMinute?: number | undefined;
  readonly tokensPerMinute?: number | undefined;
}

/** A right to make one call. */
export interface Permit {
  /** The call has ended; `tokens` is what it really took, where that is known. */
  end(tokens?: number): void;
}

/** Who would wait longer than this for a permit gives its event back, and comes again in its time. */
const LONGEST_WAIT_MS = 20_000;
/** A wait shorter than this is not worth telling anybody. */
const SHORTEST_PAUSE_MS = 1_000;
const LOOK_AGAIN_MS = 1_000;
const USED_UP = 'rate limited: the service says that its limit is used up';

/**
 * Spaces the calls of all slots of a process. Two things bound them: the limits of the
 * configuration, which hold for all processes of the stage together (each uses its share of them),
 * and what the service says with every answer of what is left until its reset.
 *
 * No more than a second's worth is saved up, so that no minute has more than 61 seconds' worth.
 */
export class RateLimiter {
  readonly #limits: RateLimits;
  readonly #onUsedUp: (cause: string, ms: number) => void;
  #requests: Bucket | undefined;
  #tokens: Bucket | undefined;
  /** By what is limited, as the service last said it. */
  readonly #said = new Map<'requests' | 'tokens', { left: number; readonly untilMs: number }>();
  #underWay = 0;
  #waiting = 0;
  #last: Promise<unknown> = Promise.resolve();

  constructor(limits: RateLimits = {}, onUsedUp: (cause: string, ms: number) => void = () => {}) {
    this.#limits = limits;
    this.#onUsedUp = onUsedUp;
    this.shareAmong(1);
  }

  /** Divides the configured limits among so many processes. */
  shareAmong(processes: number): void {
    const { requestsPerMinute, tokensPerMinute } = this.#limits;
    this.#requests = shared(this.#requests, requestsPerMinute, processes);
    this.#tokens = shared(this.#tokens, tokensPerMinute, processes);
  }

  /** True while somebody waits for a permit: nothing more should be pulled then. */
  get isBusy(): boolean {
    return this.#waiting > 0;
  }

  /** Why no call may be made for a while, by what the service said. */
  get pause(): Pause | undefined {
    const waitMs = this.#saidWaitMs(1);
    if (waitMs < SHORTEST_PAUSE_MS) return undefined;
    return { cause: USED_UP, untilMs: performance.now() + waitMs };
  }

  /**
   * Waits for its turn, in the order of asking.
   * @throws ProviderError rate_limited when that would take too long, with how long; or the signal's
   * reason
   */
  async acquire(tokens: number, signal: AbortSignal): Promise<Permit> {
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

  /** Reads what the headers of an answer say is left. */
  learn(headers: Headers): void {
    const now = performance.now();
    for (const { what, remaining, resetMs } of rateLimitsOf(headers, Date.now())) {
      // The answered call is no longer under way; the others may not be counted in it yet. The last
      // of them to come back tells exactly.
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
      // A limit that is learnt of during the wait holds for those who wait as for those who come.
      mustBeShort(waitMs);
      // A later answer may say that more is left: it is looked again now and then.
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
        // What was guessed wrongly is made up for: by the next calls, or at once.
        this.#tokens?.take(taken - tokens);
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

  /** What the calls that asked before will take of the limit. */
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

/** A token bucket that holds a second's worth. */
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

  /** What is larger than the bucket may go when it is full, and leaves a debt. */
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
