import type { Envelope, PreparedEvent } from '@memfleet/events';
import { z } from 'zod';
import type { Finished } from '../claims/dedupe.ts';
import type { DeadLetter } from '../dead-letters/dead-letter.ts';
import { type Outcome, PARK_REASONS } from '../outcome.ts';

/**
 * What the dedupe table keeps of a finished event, so that its result can be published again unchanged:
 * derived events, or the dead letter. It is written before anything is published.
 */

/** The part of a dead letter that cannot be read from the event itself. */
export type ParkedResult = Pick<DeadLetter, 'reason' | 'message' | 'attempts'>;

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

/** @throws when the row does not hold what `finishedOf` wrote */
export function readParked(recorded: string): ParkedResult {
  return parkedSchema.parse(JSON.parse(recorded));
}

/** The events are checked again when they are published. */
export function readDerived(recorded: string): Envelope[] {
  return JSON.parse(recorded) as Envelope[];
}
