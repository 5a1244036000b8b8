import type { Settled } from '../work/settle.ts';

export type WorkerState =
  | 'starting'
  | 'working'
  | 'idle'
  | 'paused'
  | 'troubled'
  | 'standby'
  | 'halted'
  | 'stopping';

/** How long a trouble is shown after it was last seen. */
const TROUBLE_SHOWN_MS = 5_000;

/**
 * What a worker tells of itself: how far it is, not that it lives. Counters only rise; the state is
 * worked out when somebody asks.
 */
export class Progress {
  readonly startedAt = performance.now();
  #processed = 0;
  readonly #counts = new Map<string, number>();
  #lastAdvance = performance.now();
  #inFlight: () => number = () => 0;
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

  watch(inFlight: () => number): void {
    this.#inFlight = inFlight;
  }

  advanced(how: Settled | 'repeated' | 'applied' | 'parked', count = 1): void {
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

  /** For good, until a person acts. */
  halted(cause: string): void {
    this.#halted = cause;
  }

  troubled(what: string, cause: string): void {
    this.#trouble = { what, cause, at: performance.now() };
  }

  get processed(): number {
    return this.#processed;
  }

  get inFlight(): number {
    return this.#inFlight();
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
    if (this.#paused !== undefined) return { state: 'paused', cause: this.#paused };
    const trouble = this.#trouble;
    if (trouble !== undefined && performance.now() - trouble.at < TROUBLE_SHOWN_MS) {
      return { state: 'troubled', cause: `${trouble.what}: ${trouble.cause}` };
    }
    return { state: this.inFlight > 0 ? 'working' : 'idle', cause: undefined };
  }
}
