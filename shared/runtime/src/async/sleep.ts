import { setTimeout as delay } from 'node:timers/promises';

/** Waits for so long, or until the signal aborts: that is no error, and the caller's loop looks at its signal. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
