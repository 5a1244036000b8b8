import type { Pause } from '@memfleet/models';
import { sleep } from '@memfleet/runtime';

/** An answer that refuses more than the one item it was given for: it concerns the whole place. */
export class Refused {
  readonly cause: string;
  /** How long nothing new is taken before one event may show whether the place is open again. */
  readonly probeAfterMs: number;

  constructor(cause: string, probeAfterMs: number) {
    this.cause = cause;
    this.probeAfterMs = probeAfterMs;
  }
}

/**
 * When a new event, and with it a new call, may be spent on finding out whether a place accepts results
 * again. Held results probe it all the while, and cost nothing.
 */
export const PROBE_AFTER_MS = {
  /** The place itself said that it accepts nothing. */
  certain: Number.POSITIVE_INFINITY,
  /** Very likely the place is at fault: the database complains about itself. */
  likely: 60_000,
  /** The refused item may be at fault: only another event can show it. */
  unclear: 10_000,
} as const;

/** Whether an answer may concern the refused item rather than the place. */
export function isUnclear(answer: unknown): answer is Refused {
  return answer instanceof Refused && answer.probeAfterMs === PROBE_AFTER_MS.unclear;
}

interface Closed {
  readonly cause: string;
  readonly probeAfterMs: number;
  /** When it was closed, or the last probe was granted: the next is due `probeAfterMs` later. */
  sinceMs: number;
  /** Until when the event of the last probe may be delivered. */
  grantedUntilMs: number;
}

/** The event of a probe may be delivered within this time of its grant. */
const GRANT_MS = 2_000;
const LOOK_EVERY_MS = 50;

/**
 * Stands behind the handlers as `ProviderGate` stands before them: closed while their results cannot be
 * recorded or published. The stage pulls nothing then, so it pays for no call whose result has nowhere to
 * go. Each place that refuses holds a key of its own, and opens it again.
 */
export class OutputGate {
  readonly #closed = new Map<object, Closed>();

  /**
   * The last refusal holds. It does not postpone the next probe, or a place that is asked often would never
   * be found open. But a place that says itself that it accepts nothing starts over: an earlier, unclear
   * refusal earns it no probe.
   */
  close(holder: object, { cause, probeAfterMs }: Refused): void {
    const before = Number.isFinite(probeAfterMs) ? this.#closed.get(holder) : undefined;
    this.#closed.set(holder, {
      cause,
      probeAfterMs,
      sinceMs: before?.sinceMs ?? performance.now(),
      grantedUntilMs: before?.grantedUntilMs ?? Number.NEGATIVE_INFINITY,
    });
  }

  open(holder: object): void {
    this.#closed.delete(holder);
  }

  /** Why the stage takes nothing; also set while a probe is under way. */
  get cause(): string | undefined {
    const [first] = this.#closed.values();
    return first?.cause;
  }

  /** The reason to take nothing now, if any. */
  get pause(): Pause | undefined {
    const now = performance.now();
    for (const { cause, probeAfterMs, sinceMs, grantedUntilMs } of this.#closed.values()) {
      const untilMs = sinceMs + probeAfterMs;
      if (now >= grantedUntilMs && now < untilMs) return { cause, untilMs };
    }
    return undefined;
  }

  /** Waits until something may be taken. @returns how much: one event for a probe, else no bound. */
  async ready(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      if (this.#closed.size === 0) break;
      if (this.pause === undefined && this.#grant()) return 1;
      await sleep(LOOK_EVERY_MS, signal);
    }
    return Number.POSITIVE_INFINITY;
  }

  /** Grants one event for all closed places, when the last of them is due. */
  #grant(): boolean {
    const now = performance.now();
    const all = [...this.#closed.values()];
    if (all.some(({ grantedUntilMs }) => now < grantedUntilMs)) return false;
    for (const closed of all) {
      closed.sinceMs = now;
      closed.grantedUntilMs = now + GRANT_MS;
    }
    return true;
  }
}
