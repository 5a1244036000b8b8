import { Worker } from 'node:worker_threads';

/** How often the watchdog checks. */
const TICK_MS = 1_000;

/**
 * Runs in a thread of its own, given as text so that it needs no second module. It counts its own ticks
 * instead of reading a clock: while the whole process is stopped, neither side advances.
 */
const WATCH = `
const { workerData } = require('node:worker_threads');
const beats = new Int32Array(workerData.shared);
let seen = -1;
let missed = 0;
setInterval(() => {
  const now = Atomics.load(beats, 0);
  missed = now === seen ? missed + 1 : 0;
  seen = now;
  if (missed * workerData.tickMs < workerData.limitMs) return;
  process.stderr.write(workerData.lastWords + '\\n');
  process.kill(process.pid, 'SIGKILL');
}, workerData.tickMs);
`;

/**
 * Ends the process when its event loop is blocked for longer than the limit: it can then neither renew
 * its leases nor answer a health check, and other workers already have what it held.
 */
export function startWatchdog(limitMs: number, worker: string): { stop(): Promise<void> } {
  const shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT);
  const beats = new Int32Array(shared);
  const lastWords = JSON.stringify({
    level: 'fatal',
    worker,
    msg: `the event loop was blocked for ${limitMs} ms, ending the process`,
  });
  const tickMs = Math.min(TICK_MS, limitMs / 4);
  const thread = new Worker(WATCH, {
    eval: true,
    workerData: { shared, tickMs, limitMs, lastWords },
    // It holds few objects: reserving the default heap would be a waste.
    resourceLimits: { maxOldGenerationSizeMb: 8, maxYoungGenerationSizeMb: 2 },
  });
  thread.unref();
  const timer = setInterval(() => Atomics.add(beats, 0, 1), tickMs / 2);
  timer.unref();
  return {
    async stop() {
      clearInterval(timer);
      await thread.terminate();
    },
  };
}
