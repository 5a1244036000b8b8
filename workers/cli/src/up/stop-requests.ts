/**
 * What a person at the terminal, or a supervisor, asks for: the first SIGINT, SIGTERM or SIGHUP an
 * orderly end, the second a quick one. A third ends this process at once, and the leash on every
 * child does the rest.
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
