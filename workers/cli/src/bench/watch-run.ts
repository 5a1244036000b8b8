import { setTimeout as delay } from 'node:timers/promises';
import type { BenchWorker } from './bench-worker.ts';
import type { Run } from './measure.ts';

/** Between two looks at how far a worker is: short beside the run, and rare enough to cost nothing. */
const LOOK_MS = 100;
/** Without any progress for so long, a worker is stuck and so would be the bench. */
const STUCK_MS = 30_000;

/**
 * Watches a worker through a backlog, and takes the time from the end of its warm-up to the last
 * event: neither the start of the process nor the making of machine code is throughput.
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
      // A backlog so short that it was gone between two looks counts from the look before.
      start ??= last;
      return { events: now.position - start.position, seconds: (now.at - start.at) / 1_000 };
    }
    if (now.position >= warmUp) start ??= now;
    if (now.position > last.position) last = now;
    if (now.at - last.at > STUCK_MS) {
      throw new Error(`the worker stands at ${now.position} of ${total} events`);
    }
    await delay(LOOK_MS);
  }
}
