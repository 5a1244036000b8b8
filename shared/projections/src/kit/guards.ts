/**
 * A guard says which of two writes to the same columns stands: the higher one, and of equal ones the
 * later in the log. Made of log sequences, so that the answer does not depend on batches, lanes or
 * redeliveries.
 */
export type Guard = number;

/** The last in the log wins: revisions. */
export function latest(sequence: number): Guard {
  return sequence;
}

/** The first in the log wins, and any `latest` stands above it: what was said at creation. */
export function earliest(sequence: number): Guard {
  return -sequence;
}

/** Wins for ever, so that nothing that comes late brings back what was forgotten. */
export const SEALED: Guard = Number.MAX_SAFE_INTEGER;
