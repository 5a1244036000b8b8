import { setTimeout as delay } from 'node:timers/promises';

/** How long to wait between tries, in ms. */
export interface Doubling {
  readonly firstMs: number;
  readonly lastMs: number;
}

/**
 * The wait after the `failures`-th failure (from 0): it doubles up to the last. Half of it is by chance,
 * so that a fleet does not come back all at once.
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
