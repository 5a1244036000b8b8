/**
 * A guard decides which of two writes to the same columns wins: the one with the higher guard, and of
 * equal guards the later in the log. Guards are made from log sequences, so that the result does not
 * depend on batches, lanes or redeliveries.
 */
export type Guard = number;

/** The last in the log wins: for revisions. */
export function latest(sequence: number): Guard {
  return sequence;
}

/** The first in the log wins, and any `latest` wins over it: for values set at creation. */
export function earliest(sequence: number): Guard {
  return -sequence;
}

/** Always wins, so that no late event brings back a forgotten memory. */
export const SEALED: Guard = Number.MAX_SAFE_INTEGER;
