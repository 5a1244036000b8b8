import { setTimeout as delay } from 'node:timers/promises';
import type { BenchWorker } from './bench-worker.ts';
import type { Run } from './measure.ts';

/** Interval between two checks of a worker's progress: short against a run, and rare enough to be free. */
const LOOK_MS = 100;
/** A worker without progress for this long is stuck, and the bench would be too. */
const STUCK_MS = 30_000;

/**
 * Watches a worker through a backlog, and takes the time from the end of its warm-up to the last event:
 * neither the start of the process nor JIT compilation belongs to throughput.
 */
export async function watchRun(
  worker: BenchWorker,
  total: number,
  warmUp: number,
  position: () => Promise<number>,
): Promise<Run> {
  let start: { readonly at: number; readonly position: number } | undefined;
  let last = { at: performance.now(), position: 0 };
  for (;;) {
    worker.checkAlive();
    const now = { at: performance.now(), position: await position() };
    if (now.position >= total) {
      // A backlog that was finished between two checks counts from the earlier check.
      start ??= last;
      return { events: now.position - start.position, seconds: (now.at - start.at) / 1_000 };
    }
    if (now.position >= warmUp) start ??= now;
    if (now.position > last.position) last = now;
    if (now.at - last.at > STUCK_MS) {
      throw new Error(`the worker makes no progress at ${now.position} of ${total} events`);
    }
    await delay(LOOK_MS);
  }
}
