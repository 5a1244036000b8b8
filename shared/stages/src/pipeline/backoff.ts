const FIRST_MS = 1_000;
const MOST_MS = 60_000;

/** The wait after the `failures`-th failure (from 1): one second, doubled each time, up to a minute. */
export function backoffMs(failures: number): number {
  return Math.min(MOST_MS, FIRST_MS * 2 ** Math.min(Math.max(0, failures - 1), 16));
}
