/** The time limit is counted in this many steps. */
const STEPS = 20;

/** A signal that aborts after a time, and a function that ends the wait for it. */
export interface RunningTimeout {
  readonly signal: AbortSignal;
  readonly stop: () => void;
}

/**
 * A time limit that counts its own steps instead of reading a clock. A process that was stopped, or kept from
 * running, has not waited meanwhile: what it waits for may have come long ago, and is read next.
 */
export function runningTimeout(limitMs: number): RunningTimeout {
  const controller = new AbortController();
  let steps = 0;
  const timer = setInterval(() => {
    steps += 1;
    if (steps < STEPS) return;
    clearInterval(timer);
    controller.abort(new DOMException('the time limit is over', 'TimeoutError'));
  }, limitMs / STEPS);
  timer.unref();
  return { signal: controller.signal, stop: () => clearInterval(timer) };
}
