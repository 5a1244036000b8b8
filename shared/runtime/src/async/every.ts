/** A step that is repeated until it is stopped. */
export interface Repeated {
  /** Waits for a step under way: nothing of it happens later. */
  stop(): Promise<void>;
}

/**
 * Repeats a step, first after `ms`. There are never two at a time: while one takes longer, the ticks that
 * it misses are left out. A step handles its own errors; one that it throws ends the process, as every
 * error does that nothing catches.
 */
export function every(ms: number, step: () => Promise<void>): Repeated {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    running ??= step().finally(() => {
      running = undefined;
    });
  }, ms);
  return {
    async stop() {
      clearInterval(timer);
      await running;
    },
  };
}
