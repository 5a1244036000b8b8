import type { Envelope, EventType, MemoryEvent } from '@memfleet/events';
import type { Queryable, Waits } from '@memfleet/runtime';
import type { z } from 'zod';
import type { Outcome } from './outcome.ts';

/** What a handler receives besides the event. */
export interface StageContext {
  /** Identity of the event across sources and tenants; the same at every delivery. */
  readonly eventKey: string;
  /** The tenant the event belongs to. */
  readonly tenant: string;
  /** Position of the event in the log: of its first copy that the stage has met, the same at every try. */
  readonly sequence: number;
  /** Tries so far, this one included. */
  readonly attempt: number;
  /** Aborts at the deadline, when the claim is lost, and at the end of the grace period. */
  readonly signal: AbortSignal;
  /** Receives waits that do not count towards the deadline, as for the rate limit: see `gate.call`. */
  readonly waits: Waits;
  /** Names the event as the cause of the events derived from it. */
  readonly cause: { readonly source: string; readonly id: string; readonly sequence: number };
  /**
   * Makes an event that follows from this one, with its tenant, memory, correlation and trace. The id is
   * the same each time the event is made.
   * @param ordinal distinguishes the events that one event leads to; default 0
   */
  derive<Latest extends z.ZodType>(
    type: EventType<string, Latest>,
    data: z.input<Latest>,
    ordinal?: number,
  ): Envelope;
}

export interface StageIdentity {
  readonly name: string;
  /** Part of every derived id. Raise it to have new results made from every event. */
  readonly version: number;
}

/**
 * A stage: a slow, costly, non-deterministic step whose result is recorded as events. The handler
 * is a function from event to outcome; the runtime does everything about delivery.
 */
export interface Stage<Extra = undefined> extends StageIdentity {
  handle(event: MemoryEvent, context: StageContext): Promise<Outcome<Extra>>;
  /** Stores what the results of a batch carry, in the transaction that records them. */
  persist?(db: Queryable, extras: readonly Extra[]): Promise<void>;
}
