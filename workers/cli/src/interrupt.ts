/**
 * Aborts on SIGINT, SIGTERM and SIGHUP, so that a command can end in order. The same signal a second
 * time ends the process at once. Commands that only read do without it: they can be ended anywhere.
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
