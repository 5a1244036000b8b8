/** What a lane tells of itself. */
export interface LaneState {
  readonly state: 'running' | 'troubled' | 'halted';
  readonly cause: string | undefined;
}

/** How long one transaction may take before the lane says so. */
const SLOW_MS = 5_000;
/** How long a trouble is shown after it was last seen. */
const SHOWN_MS = 5_000;

/** Kept by the lane, read by reports and health. */
export class LaneMonitor {
  #halted: string | undefined;
  #trouble: { cause: string; at: number } | undefined;
  #busySince: number | undefined;
  #inFlight = 0;

  /** It cannot go on, and nothing but a person or a deploy will change that. */
  halted(cause: string): void {
    this.#halted = cause;
  }

  troubled(cause: string): void {
    this.#trouble = { cause, at: performance.now() };
  }

  /** A transaction of so many events begins. */
  began(events: number): void {
    this.#busySince = performance.now();
    this.#inFlight = events;
  }

  /** It is held where it is: nothing is under way, and nothing is wrong. */
  held(): void {
    this.#busySince = undefined;
    this.#inFlight = 0;
  }

  /** A transaction was committed, or the lane read its position and waits for events. */
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
