import { setTimeout as delay } from 'node:timers/promises';

/** How long to wait between tries, in ms. */
export interface Doubling {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * Waits after the `failures`-th failure (from 0): the wait doubles up to its maximum. Half of it is
 * random, so that a fleet does not retry all at once.
 * @throws when the signal ends it
 */
export async function jittered(
  failures: number,
  { firstMs, lastMs }: Doubling,
  signal: AbortSignal,
): Promise<void> {
  const ceiling = Math.min(lastMs, firstMs * 2 ** Math.min(failures, 16));
  await delay(ceiling * (0.5 + Math.random() / 2), undefined, { signal });
}
