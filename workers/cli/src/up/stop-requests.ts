/**
 * Requests by a person at the terminal or by a supervisor: the first SIGINT, SIGTERM or SIGHUP asks for
 * a graceful end, the second for a quick one. A third ends this process at once, and the guard of every
 * child process then ends the child.
 */
export interface StopRequests {
  /** Aborts at the first. */
  readonly orderly: AbortSignal;
  /** Aborts at the second. */
  readonly quick: AbortSignal;
  readonly dispose: () => void;
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function stopRequests(): StopRequests {
  const orderly = new AbortController();
  const quick = new AbortController();
  const dispose = (): void => {
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const onSignal = (): void => {
    if (!orderly.signal.aborted) {
      orderly.abort();
      return;
    }
    quick.abort();
    dispose();
  };
  for (const signal of SIGNALS) process.on(signal, onSignal);
  return { orderly: orderly.signal, quick: quick.signal, dispose };
}
