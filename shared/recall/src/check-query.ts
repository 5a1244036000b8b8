import { RuntimeError } from '@memfleet/runtime';
import type { RecallQuery } from './query.ts';

const MOST_HITS = 1_000;

/**
 * Refuses what no search can mean: the compiler does not check a number's range, and a caller's values may
 * come from outside.
 * @throws RuntimeError RECALL_QUERY_INVALID
 */
export function checkQuery(query: RecallQuery): void {
  const { tenant, limit, scope = {}, bounds = {}, after, afterTimeoutMs, halves, embedder } = query;
  const { user, agent, session, kinds = [], since, until, importance } = scope;
  if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= MOST_HITS)) {
    throw invalid('limit', `a whole number from 1 to ${MOST_HITS}`);
  }
  if (importance !== undefined && !(importance >= 0 && importance <= 1)) {
    throw invalid('scope.importance', 'a number from 0 to 1');
  }
  for (const [name, date] of Object.entries({ since, until })) {
    if (date !== undefined && Number.isNaN(date.getTime())) {
      throw invalid(`scope.${name}`, 'a valid date');
    }
  }
  for (const [name, text] of Object.entries({
    tenant,
    user,
    agent,
    session,
    kind: kinds.join(''),
  })) {
    // PostgreSQL stores neither, so no memory can have such a name.
    if (text !== undefined && (text.includes('\u0000') || !text.isWellFormed())) {
      throw invalid(name, 'text without U+0000 and without half a surrogate pair');
    }
  }
  for (const [name, most] of Object.entries(bounds)) {
    if (!(Number.isInteger(most) && most >= 1 && most <= MOST_BOUND)) {
      throw invalid(`bounds.${name}`, 'a whole number from 1');
    }
  }
  if (after !== undefined && !(Number.isSafeInteger(after) && after >= 0)) {
    throw invalid('after', 'a position of the log');
  }
  if (afterTimeoutMs !== undefined && !(afterTimeoutMs >= 0)) {
    throw invalid('afterTimeoutMs', 'a time in ms');
  }
  if (halves === 'vectors' && embedder === undefined) {
    throw new RuntimeError('RECALL_QUERY_INVALID', 'vectors alone need an embedder');
  }
}

/** PostgreSQL's integer, minus the one that tells that there are more. */
const MOST_BOUND = 2 ** 31 - 2;

function invalid(name: string, wanted: string): RuntimeError {
  return new RuntimeError('RECALL_QUERY_INVALID', `${name} must be ${wanted}`);
}
