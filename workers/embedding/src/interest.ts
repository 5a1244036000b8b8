import { raceAbort } from '@memfleet/runtime';

/**
 * Work that several callers wait for: it continues as long as one of them needs it, and its signal aborts
 * when the last has gone.
 */
export class Interest {
  readonly #controller = new AbortController();
  #waiting = 0;

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Waits until the work ends or the caller's signal aborts. @throws the signal's reason */
  async share<Result>(work: Promise<Result>, signal: AbortSignal): Promise<Result> {
    this.#waiting += 1;
    try {
      return await raceAbort(work, signal);
    } finally {
      this.#waiting -= 1;
      // Finished work is not aborted: creating an abort reason costs more than everything else here.
      if (this.#waiting === 0 && signal.aborted) this.#controller.abort(signal.reason);
    }
  }
}

/** Aborts when the last of the signals has: a shared call does not end for one event alone. */
export function allAborted(signals: readonly AbortSignal[]): AbortSignal {
  const controller = new AbortController();
  let left = signals.length;
  for (const signal of signals) {
    const onAbort = (): void => {
      left -= 1;
      if (left === 0) controller.abort(signal.reason);
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
  }
  return controller.signal;
}
