export type WorkerState =
  | 'starting'
  | 'working'
  | 'idle'
  | 'paused'
  | 'troubled'
  | 'standby'
  | 'halted'
  | 'stopping';

/** What became of an event; of the last three no work was finished. */
export type Ended =
  | 'done'
  | 'skipped'
  | 'parked'
  | 'repeated'
  | 'applied'
  | 'retried'
  | 'failed'
  | 'lost';

/** How long a trouble is shown after it was last seen. */
const TROUBLE_SHOWN_MS = 5_000;

/** What a worker is at. */
export interface Work {
  readonly inFlight: () => number;
  /** Whether everything in flight may still take its time, as a long call may. */
  readonly isWithinDeadline?: () => boolean;
  /** Why nothing is taken at the moment, if that is so. */
  readonly pause?: () => string | undefined;
  /** What should be known although work goes on. */
  readonly note?: () => string | undefined;
}

/**
 * What a worker tells of itself: how far it is, not that it lives. Counters only rise; the state is
 * worked out when somebody asks.
 */
export class Progress {
  readonly startedAt = performance.now();
  #processed = 0;
  readonly #counts = new Map<string, number>();
  #lastAdvance = performance.now();
  #work: Work = { inFlight: () => 0 };
  #paused: string | undefined;
  #halted: string | undefined;
  #trouble: { what: string; cause: string; at: number } | undefined;
  #phase: 'starting' | 'running' | 'stopping' = 'starting';

  started(): void {
    this.#phase = 'running';
    this.#lastAdvance = performance.now();
  }

  stopping(): void {
    this.#phase = 'stopping';
  }

  /** What is going on, to be asked whenever somebody wants to know. */
  watch(work: Work): void {
    this.#work = work;
  }

  /** Told how many events wait. With nothing to do, there is no progress to be missed. */
  waiting(count: number): void {
    if (count + this.inFlight === 0) this.#lastAdvance = performance.now();
  }

  advanced(how: Ended, count = 1): void {
    this.#counts.set(how, (this.#counts.get(how) ?? 0) + count);
    if (how === 'retried' || how === 'failed' || how === 'lost') return;
    this.#processed += count;
    this.#lastAdvance = performance.now();
    if (this.#trouble !== undefined) this.#trouble = undefined;
  }

  paused(cause: string): void {
    this.#paused = cause;
  }

  resumed(): void {
    this.#paused = undefined;
  }

  /** Until a person acts; undefined when somebody has. */
  halted(cause: string | undefined): void {
    this.#halted = cause;
  }

  troubled(what: string, cause: string): void {
    this.#trouble = { what, cause, at: performance.now() };
  }

  get processed(): number {
    return this.#processed;
  }

  get inFlight(): number {
    return this.#work.inFlight();
  }

  /** True while everything in flight may still take its time. */
  get isWithinDeadline(): boolean {
    return this.#work.isWithinDeadline?.() ?? false;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Since something was last finished, in ms. */
  get quietMs(): number {
    return performance.now() - this.#lastAdvance;
  }

  get state(): { readonly state: WorkerState; readonly cause: string | undefined } {
    if (this.#halted !== undefined) return { state: 'halted', cause: this.#halted };
    if (this.#phase === 'starting') return { state: 'starting', cause: undefined };
    if (this.#phase === 'stopping') return { state: 'stopping', cause: undefined };
    const pause = this.#paused ?? this.#work.pause?.();
    if (pause !== undefined) return { state: 'paused', cause: pause };
    const trouble = this.#trouble;
    if (trouble !== undefined && performance.now() - trouble.at < TROUBLE_SHOWN_MS) {
      return { state: 'troubled', cause: `${trouble.what}: ${trouble.cause}` };
    }
    return { state: this.inFlight > 0 ? 'working' : 'idle', cause: this.#work.note?.() };
  }
}
