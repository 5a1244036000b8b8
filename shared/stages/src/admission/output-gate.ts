import type { Pause } from '@memfleet/models';
import { sleep } from '@memfleet/runtime';

/** An answer that refuses more than the one item it was given for: it says something of the place. */
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
 * When a new event, and with it a new call, may be spent on finding out whether a place takes results
 * again. What is held already probes it all the while, and costs nothing.
 */
export const PROBE_AFTER_MS = {
  /** The place said itself that it takes nothing, whatever is offered. */
  certain: Number.POSITIVE_INFINITY,
  /** Very likely it is the place: the database complains of itself. */
  likely: 60_000,
  /** It may be what was offered: only another event can show it. */
  unclear: 10_000,
} as const;

/** Whether an answer may be about what was offered rather than about the place. */
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
 * Stands behind the handlers as `ProviderGate` stands before them: closed while what they made cannot
 * be recorded or published. Nothing is pulled then, so no call is paid for whose result has no place
 * to go. Each place that refuses holds a key of its own, and opens it again.
 */
export class OutputGate {
  readonly #closed = new Map<object, Closed>();

  /**
   * The last refusal holds. It does not put off the next probe, or a place that is asked often would
   * never be shown to be open; but a place that said itself that it takes nothing is not probed on the
   * strength of what was unclear before.
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

  /** Why nothing is taken, while a probe is under way too. */
  get cause(): string | undefined {
    const [first] = this.#closed.values();
    return first?.cause;
  }

  /** The reason for taking nothing now, if there is one. */
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

  /** One event for all who are closed, at the time of the last of them. */
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
