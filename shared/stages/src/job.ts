import type { Decoded, Envelope, PreparedEvent } from '@memfleet/events';
import type { AbortSource, Received, Waits } from '@memfleet/runtime';
import type { ClaimRequest, Finished } from './claims/dedupe.ts';
import type { ClaimRef } from './claims/held-claims.ts';
import type { DeadLetter } from './dead-letters/dead-letter.ts';
import type { Outcome } from './outcome.ts';

/**
 * An event from its receipt to its ack. It stays one object to the end: each step of the chain adds what it
 * found out (see the types below), so that heartbeats always see it as it is.
 */
export interface Job {
  readonly message: Received;
  readonly receivedAt: number;
  /** Ends the work: deadline, lost lease or shutdown. */
  readonly abort: AbortSource;
  /** Time that does not count towards its deadline. */
  readonly waits: Waits;
  /** What is known of the event itself; nothing if it could not be read. */
  readonly event?: EventIds;
  /** The key of the event, once it is read and this delivery of it is the one that is worked on. */
  readonly key?: string;
  /** Set once the event is claimed in the dedupe table. */
  readonly claim?: JobClaim;
  /** When the handler began: the deadline counts from here. */
  readonly begunAt?: number;
  /** True while its result waits in memory to be recorded: the claim must be kept for it. */
  readonly awaitsRecord?: boolean;
  /** True once the handler has ended: the later steps have limits of their own, not the deadline. */
  readonly settling: boolean;
}

export type EventIds = Pick<Envelope, 'id' | 'correlationid' | 'traceparent'>;

export interface JobClaim extends ClaimRef {
  readonly redrives: number;
}

/** After `read`: an event that can be claimed. */
export type ReadJob = Job & {
  readonly decoded: Extract<Decoded, { kind: 'known' }>;
  readonly request: ClaimRequest;
};

/** After `claim`. */
export type ClaimedJob = ReadJob & {
  readonly claim: JobClaim;
  /** The event's position in the log. This delivery may be of a later copy, which has another one. */
  readonly sequence: number;
  /** Tries that counted so far, this one included. */
  readonly attempts: number;
  /** Claims that expired without a word. */
  readonly abandoned: number;
};

/** After `handle`, or where an earlier step decided: it has an outcome. */
export type EndedJob<Extra = unknown> = Job & {
  readonly outcome: Outcome<Extra>;
  readonly attempts: number;
};

/** Before `record`: its derived events are known to be acceptable to the log. */
export type CheckedJob<Extra = unknown> = EndedJob<Extra> & {
  readonly derived: readonly PreparedEvent[];
  /** True when its outcome replaces one that could not be recorded. */
  readonly isRemnant?: boolean;
};

/** After `record`, by this delivery or an earlier one: derived events to publish, a dead letter, or nothing. */
export type RecordedJob = Job & { readonly recorded: Recorded };

export interface Recorded {
  /** None for an event that could not be read or must not be claimed: only its dead letter exists. */
  readonly key: string | undefined;
  /** How often the event was redriven: its letter carries the number that the dedupe table knows. */
  readonly redrives: number;
  readonly state: Finished['state'];
  readonly events: readonly Derivable[];
  readonly parked: ParkedResult | undefined;
}

/** Events just prepared, or envelopes that another process or an earlier delivery recorded. */
export type Derivable = Envelope | PreparedEvent;

/** The part of a dead letter that cannot be read from the event itself. */
export type ParkedResult = Pick<DeadLetter, 'reason' | 'message' | 'attempts'>;

/** How a job ended, for the counters. */
export type Settled = Finished['state'] | 'retried' | 'lost' | 'failed';

/** Adds what a step found out to the job itself. */
export function advance<Step extends Job, Found extends object>(
  job: Step,
  found: Found,
): Step & Found {
  return Object.assign(job, found);
}

/** The tenant in <root>.<partition>.<tenant>.…; empty for a subject that is not of the log. */
export function tenantOf(subject: string): string {
  return subject.split('.', 3)[2] ?? '';
}
