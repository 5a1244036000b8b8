import type { MemoryEvent } from '@memfleet/events';
import type { Queryable, Waits } from '@memfleet/runtime';
import type { Outcome } from './outcome.ts';

/** What a handler gets besides the event. */
export interface StageContext {
  /** Identity of the event across sources and tenants; the same at every delivery. */
  readonly eventKey: string;
  /** Position of the event in the log. */
  readonly sequence: number;
  /** Tries so far, this one included. */
  readonly attempt: number;
  /** Aborts at the deadline, when the claim is lost, and at the end of the grace period. */
  readonly signal: AbortSignal;
  /** Told of waits that do not count towards the deadline, as for the rate limit: see `gate.call`. */
  readonly waits: Waits;
}

export interface StageIdentity {
  readonly name: string;
  /** Raised when results should be made anew from every event; part of every derived id. */
  readonly version: number;
}

/**
 * A stage: a slow, costly, non-deterministic step whose result is recorded as events. The handler
 * is a function from event to outcome; everything about delivery is the runtime's.
 */
export interface Stage<Extra = undefined> extends StageIdentity {
  handle(event: MemoryEvent, context: StageContext): Promise<Outcome<Extra>>;
  /** Stores what the results of a batch carry, in the transaction that records them. */
  persist?(db: Queryable, extras: readonly Extra[]): Promise<void>;
}
