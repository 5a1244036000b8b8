import { setTimeout as delay } from 'node:timers/promises';

/** Waits, or returns when the signal aborts: that is no error, the caller's loop checks its signal. */
export async function sleep(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, undefined, { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}
