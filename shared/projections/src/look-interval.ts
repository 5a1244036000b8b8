import type { Place } from './live-place.ts';

/** Short beside the latency of a projection, and cheap: one row by its key. */
export const SHORTEST_MS = 5;
const LONGEST_MS = 200;

interface Looks {
  readonly before: Place | undefined;
  readonly now: Place | undefined;
  /** The lowest position that somebody waits for. */
  readonly nearest: number;
  /** The last pause; undefined before the first. */
  readonly delayMs: number | undefined;
}

/**
 * Decides when to look again. While the tables advance, that is after half the time they need for the
 * nearest position at their current speed, which reaches it in a few looks. While they stand still, the
 * pauses grow.
 */
export function nextLookMs({ before, now, nearest, delayMs = SHORTEST_MS }: Looks): number {
  const isSame = before !== undefined && before.generation === now?.generation;
  const moved = isSame ? now.position - before.position : 0;
  if (moved <= 0) return bounded(delayMs * 1.5);
  return bounded(((nearest - (now?.position ?? 0)) / moved) * delayMs * 0.5);
}

function bounded(ms: number): number {
  return Math.min(LONGEST_MS, Math.max(SHORTEST_MS, ms));
}
