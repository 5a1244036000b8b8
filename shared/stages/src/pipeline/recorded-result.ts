import type { Envelope, PreparedEvent } from '@memfleet/events';
import { z } from 'zod';
import type { Claim, Finished } from '../claims/dedupe.ts';
import type { CheckedJob, EndedJob, ParkedResult, ReadJob, Recorded } from '../job.ts';
import { type Outcome, PARK_REASONS } from '../outcome.ts';

/**
 * What the dedupe table keeps of a finished event, so that its result can be published again unchanged:
 * derived events, or the dead letter. It is written before anything is published.
 */

const parkedSchema = z.object({
  reason: z.enum(PARK_REASONS),
  message: z.string(),
  attempts: z.int(),
});

/** The row that records an outcome; it holds derived events in the form they will have in the log. */
export function finishedOf(
  claim: { readonly key: string; readonly token: string },
  outcome: Exclude<Outcome<unknown>, { readonly kind: 'retry' }>,
  attempts: number,
  derived: readonly PreparedEvent[],
): Finished {
  switch (outcome.kind) {
    case 'skip':
      return { ...claim, state: 'skipped', reason: outcome.reason };
    case 'park': {
      const { reason, message } = outcome;
      const result = JSON.stringify({ reason, message, attempts } satisfies ParkedResult);
      const { use } = outcome;
      return { ...claim, state: 'parked', reason, result, ...(use === undefined ? {} : { use }) };
    }
    case 'done':
      break;
  }
  const { use } = outcome;
  return {
    ...claim,
    state: 'done',
    ...(derived.length === 0 ? {} : { result: `[${derived.map(({ json }) => json).join(',')}]` }),
    ...(use === undefined ? {} : { use }),
  };
}

/** What the row of a job says once its outcome is recorded. */
export function recordedOf({ claim, message, outcome, attempts, derived }: CheckedJob): Recorded {
  const common = { key: claim?.key, redrives: claim?.redrives ?? message.redrives };
  switch (outcome.kind) {
    case 'done':
      return { ...common, state: 'done', events: derived, parked: undefined };
    case 'skip':
      return { ...common, state: 'skipped', events: [], parked: undefined };
    case 'park': {
      const { reason, message: cause } = outcome;
      return {
        ...common,
        state: 'parked',
        events: [],
        parked: { reason, message: cause, attempts },
      };
    }
    case 'retry':
      break;
  }
  throw new Error('an event that is to be tried again is not recorded');
}

/** An event without a claim has no row: only its dead letter exists. */
export function unclaimed({ outcome, attempts, message }: EndedJob): Recorded {
  if (outcome.kind !== 'park') throw new Error('only a parked event may lack a claim');
  const parked = { reason: outcome.reason, message: outcome.message, attempts };
  return { key: undefined, redrives: message.redrives, state: 'parked', events: [], parked };
}

export type FinishedClaim = Extract<Claim, { readonly kind: 'finished' }>;

/**
 * What an earlier delivery recorded and may not have published. Derived events are checked again when they
 * are published.
 * @throws when the row does not hold what `finishedOf` wrote
 */
export function recordedBefore(
  { request: { key } }: ReadJob,
  { state, unpublished, redrives }: FinishedClaim,
): Recorded {
  const common = { key, redrives, state };
  if (unpublished === undefined) return { ...common, events: [], parked: undefined };
  const result: unknown = JSON.parse(unpublished);
  return state === 'parked'
    ? { ...common, events: [], parked: parkedSchema.parse(result) }
    : { ...common, events: result as Envelope[], parked: undefined };
}
