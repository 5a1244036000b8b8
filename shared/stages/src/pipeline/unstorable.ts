import { messageOf } from '@memfleet/runtime';
import type { CheckedJob } from '../job.ts';
import { type Outcome, park, retry } from '../outcome.ts';
import { backoffMs } from './backoff.ts';

/**
 * What becomes of an event whose result alone cannot be stored: that uses up a try, as if its handler had
 * failed. A parked event is parked without its cost, which may be what cannot be written.
 * @returns undefined when not even the parking could be recorded
 */
export function outcomeOfUnstorable(
  { outcome, attempts, isRemnant = false }: CheckedJob,
  error: unknown,
  maxAttempts: number,
): Pick<CheckedJob<never>, 'isRemnant' | 'outcome'> | undefined {
  if (isRemnant) return undefined;
  if (outcome.kind === 'park') {
    return { outcome: park(outcome.reason, outcome.message), isRemnant: true };
  }
  const cause = `the result could not be stored: ${messageOf(error)}`;
  if (attempts < maxAttempts) {
    return { outcome: withUse(retry(backoffMs(attempts), cause), outcome) };
  }
  const message = `${attempts} ${attempts === 1 ? 'try' : 'tries'}, the last: ${cause}`;
  return { outcome: withUse(park('attempts_exhausted', message), outcome) };
}

/** Replaces an outcome; the calls that made it were paid for all the same. */
export function withUse<Next extends Exclude<Outcome<never>, { readonly kind: 'skip' }>>(
  next: Next,
  before: Outcome<unknown>,
): Next {
  const use = before.kind === 'skip' ? undefined : before.use;
  return use === undefined ? next : { ...next, use };
}
