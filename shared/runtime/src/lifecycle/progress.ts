export type WorkerState =
  | 'starting'
  | 'working'
  | 'idle'
  | 'paused'
  | 'troubled'
  | 'standby'
  | 'halted'
  | 'stopping';

/** The outcome of an event; the last three finish no work. */
export type Ended =
  | 'done'
  | 'skipped'
  | 'parked'
  | 'repeated'
  | 'applied'
  | 'retried'
  | 'failed'
  | 'lost';

/** How long a problem is shown after it was last seen. */
const TROUBLE_SHOWN_MS = 5_000;

/** What a worker is doing. */
export interface Work {
  readonly inFlight: () => number;
  /** Whether everything in flight is within its deadline, as a long call may be. */
  readonly isWithinDeadline?: () => boolean;
  /** Why the worker takes no events at the moment, if it takes none. */
  readonly pause?: () => string | undefined;
  /** A note for operators while work continues. */
  readonly note?: () => string | undefined;
}

/**
 * What a worker reports about itself: its progress, not merely that it is alive. Counters only rise; the
 * state is computed on demand.
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

  /** Sets the source of the current activity, which is queried on demand. */
  watch(work: Work): void {
    this.#work = work;
  }

  /** Records how many events wait. An idle worker cannot miss any progress. */
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

  /** Halts the worker until a person acts; undefined ends the halt. */
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

  /** True while everything in flight is within its deadline. */
  get isWithinDeadline(): boolean {
    return this.#work.isWithinDeadline?.() ?? false;
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Time since an event was last finished, in ms. */
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
