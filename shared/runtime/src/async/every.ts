/** A step that is repeated until it is stopped. */
export interface Repeated {
  /** Waits for a step in progress, so that nothing of it happens later. */
  stop(): Promise<void>;
}

/**
 * Repeats a step, first after `ms`, never two at a time: the ticks that a long step misses are skipped. A
 * step handles its own errors; an error that it throws ends the process, like any uncaught error.
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
