/**
 * Aborts on SIGINT, SIGTERM and SIGHUP, so that a command can end gracefully. The same signal a second
 * time ends the process at once. Commands that only read do not need it: they can end anywhere.
 */
export function interruptSignal(): AbortSignal {
  const stop = new AbortController();
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    const onSignal = (): void => {
      process.off(name, onSignal);
      stop.abort();
    };
    process.on(name, onSignal);
  }
  return stop.signal;
}
