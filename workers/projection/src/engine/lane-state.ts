/** What a lane reports about itself. */
export interface LaneState {
  readonly state: 'running' | 'troubled' | 'halted';
  readonly cause: string | undefined;
}

/** How long one transaction may take before the lane says so. */
const SLOW_MS = 5_000;
/** How long a problem is shown after it was last seen. */
const SHOWN_MS = 5_000;

/** The lane updates it; reports and health checks read it. */
export class LaneMonitor {
  #halted: string | undefined;
  #trouble: { cause: string; at: number } | undefined;
  #busySince: number | undefined;
  #inFlight = 0;

  /** The lane cannot continue, and only a person or a deploy can change that. */
  halted(cause: string): void {
    this.#halted = cause;
  }

  troubled(cause: string): void {
    this.#trouble = { cause, at: performance.now() };
  }

  /** A transaction of that many events begins. */
  began(events: number): void {
    this.#busySince = performance.now();
    this.#inFlight = events;
  }

  /** The lane is held at its position: no transaction runs, and nothing is wrong. */
  held(): void {
    this.#busySince = undefined;
    this.#inFlight = 0;
  }

  /** A transaction has committed, or the lane has read its position and waits for events. */
  advanced(): void {
    this.#busySince = undefined;
    this.#inFlight = 0;
    this.#trouble = undefined;
    this.#halted = undefined;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get current(): LaneState {
    if (this.#halted !== undefined) return { state: 'halted', cause: this.#halted };
    const now = performance.now();
    if (this.#trouble !== undefined && now - this.#trouble.at < SHOWN_MS) {
      return { state: 'troubled', cause: this.#trouble.cause };
    }
    if (this.#busySince !== undefined && now - this.#busySince > SLOW_MS) {
      const seconds = Math.round((now - this.#busySince) / 1_000);
      return { state: 'troubled', cause: `a transaction has been running for ${seconds} s` };
    }
    return { state: 'running', cause: undefined };
  }
}
