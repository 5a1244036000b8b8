import type { Envelope, ModelUse } from '@memfleet/events';
import { faultOfUse } from '@memfleet/models';

/** What a handler made of an event. It never touches the message; one place maps it to the broker. */
export type Outcome<Extra = undefined> =
  | {
      readonly kind: 'done';
      /** Derived events, ids included: the same ones each time they are made. */
      readonly events: readonly Envelope[];
      readonly use?: ModelUse;
      /** What the stage stores in the same transaction as the result, such as vectors. */
      readonly extra?: Extra;
    }
  | {
      readonly kind: 'retry';
      readonly afterMs: number;
      readonly cause: string;
      /** False for outages and rate limits: they use no attempt. */
      readonly countsAsAttempt: boolean;
      /** The cost of calls that gave no result. */
      readonly use?: ModelUse;
    }
  | {
      readonly kind: 'park';
      readonly reason: ParkReason;
      readonly message: string;
      readonly use?: ModelUse;
    }
  | { readonly kind: 'skip'; readonly reason: string };

/** Why an event was parked: the classes people filter dead letters by. */
export const PARK_REASONS = [
  'invalid_event',
  'unknown_type',
  'newer_version',
  'conflicting_payload',
  'invalid_input',
  'invalid_output',
  'attempts_exhausted',
] as const;
export type ParkReason = (typeof PARK_REASONS)[number];

/**
 * Says why a handler returned no valid outcome; undefined when it is valid. The compiler does not always
 * check third-party code. An invalid one would otherwise fail later, where the events of a whole batch are
 * together, or worse: a cost that is no number would make the sum of the whole stage none.
 */
export function faultOfOutcome(value: unknown): string | undefined {
  if (typeof value !== 'object' || value === null) return 'it is no object';
  const outcome = value as Record<string, unknown>;
  if (!isComplete(outcome)) return 'a field is missing, or of another type';
  const { kind, use } = outcome;
  return kind === 'skip' || use === undefined ? undefined : faultOfUse(use);
}

function isComplete(outcome: Record<string, unknown>): boolean {
  const { kind, events, reason, message, afterMs, cause } = outcome;
  switch (kind) {
    case 'done':
      return Array.isArray(events);
    case 'skip':
      return typeof reason === 'string';
    case 'park':
      return PARK_REASONS.some((known) => known === reason) && typeof message === 'string';
    case 'retry':
      return Number.isFinite(afterMs) && typeof cause === 'string';
    default:
      return false;
  }
}

export function skip(reason: string): Outcome<never> {
  return { kind: 'skip', reason };
}

export function park(
  reason: ParkReason,
  message: string,
): Extract<Outcome<never>, { readonly kind: 'park' }> {
  return { kind: 'park', reason, message };
}

export function retry(
  afterMs: number,
  cause: string,
  countsAsAttempt = true,
): Extract<Outcome<never>, { readonly kind: 'retry' }> {
  return { kind: 'retry', afterMs, cause, countsAsAttempt };
}
