import type { Logger } from '@memfleet/runtime';
import type { Slots } from '../admission/slots.ts';

/** Shares of the grace period: for finishing, then for work that was told to stop. */
const FINISH_SHARE = 0.8;
const STOP_SHARE = 0.1;

export interface ShutdownOptions {
  readonly slots: Slots;
  readonly graceMs: number;
  readonly log: Logger;
  /** Begins the shutdown. */
  readonly signal: AbortSignal;
}

/**
 * How a stage ends: nothing new starts; held events may finish; then they are told to stop and given back;
 * then nothing is waited for. The grace period is counted from the signal, not from the end of the sources:
 * a source may end later, for example while it waits for a broker that is away.
 */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #stop = new AbortController();
  readonly #handBack = new AbortController();
  readonly #end = new AbortController();
  readonly #onSignal = (): void => this.begin();
  #draining: Promise<void> | undefined;

  constructor(options: ShutdownOptions) {
    this.#options = options;
    const { signal } = options;
    if (signal.aborted) this.begin();
    else signal.addEventListener('abort', this.#onSignal, { once: true });
  }

  /** From here on nothing new starts, and what is recorded but not published is left to other processes. */
  get stop(): AbortSignal {
    return this.#stop.signal;
  }

  /** From here on unfinished events are given back: no wait for a database that refuses results. */
  get handBack(): AbortSignal {
    return this.#handBack.signal;
  }

  /** The end of the grace period. */
  get end(): AbortSignal {
    return this.#end.signal;
  }

  /** Nothing happens when it has begun already. */
  begin(): void {
    if (this.#draining !== undefined) return;
    // First, so that the grace period counts from here.
    this.#draining = this.#drain();
    this.#stop.abort();
  }

  /** Shuts down, unless that has begun, and waits until every held event is settled or given back. */
  async done(): Promise<void> {
    this.begin();
    await this.#draining;
    this.#options.signal.removeEventListener('abort', this.#onSignal);
  }

  async #drain(): Promise<void> {
    const { slots, graceMs, log } = this.#options;
    if (!(await slots.drained(graceMs * FINISH_SHARE))) {
      log.warn(
        { events: slots.size },
        'the grace period is nearly over, unfinished events are given back',
      );
      for (const job of slots) job.abort.abort(new Error('shutting down'));
      this.#handBack.abort();
      await slots.drained(graceMs * STOP_SHARE);
    }
    this.#handBack.abort();
    this.#end.abort();
  }
}
