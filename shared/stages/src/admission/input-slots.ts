import type { Received } from '@memfleet/runtime';
import type { Held, InFlight } from './in-flight.ts';

/**
 * An idle input reserves no more than this share of the slots with its open request, so that the busy
 * one can use the others.
 */
const QUIET_SHARE = 1 / 32;

/** One input's use of the slots: how many events it requests, and how many have come. */
export class InputSlots {
  readonly #inFlight: InFlight;
  readonly #batch: number;
  readonly #lingerMs: number;
  readonly #least: number;
  #appetite: number;
  #reserved = 0;
  #asked = 0;
  #wasFilled = false;

  constructor(
    inFlight: InFlight,
    options: { readonly batch: number; readonly lingerMs: number; readonly inputs: number },
  ) {
    this.#inFlight = inFlight;
    this.#batch = options.batch;
    this.#lingerMs = options.lingerMs;
    const isAlone = options.inputs === 1;
    this.#least = isAlone ? options.batch : Math.max(1, Math.floor(inFlight.slots * QUIET_SHARE));
    this.#appetite = this.#least;
  }

  /**
   * Waits for free slots and reserves them for the next request. The request before has ended: a filled
   * one makes the next larger, an unfilled one makes it small again.
   * @returns how many may be requested; 0 when the signal ends the wait
   */
  async reserve(bound: number, signal: AbortSignal): Promise<number> {
    this.end();
    this.#appetite = this.#wasFilled ? Math.min(this.#batch, this.#appetite * 4) : this.#least;
    this.#wasFilled = false;
    const most = Math.min(bound, this.#batch, this.#appetite);
    await this.#inFlight.untilFree(1, undefined, signal);
    // A short wait for more free slots makes full batches of a steady trickle.
    await this.#inFlight.untilFree(most, this.#lingerMs, signal);
    if (signal.aborted) return 0;
    this.#asked = Math.max(0, Math.min(most, this.#inFlight.free));
    this.#reserved = this.#asked;
    this.#inFlight.reserve(this.#reserved);
    return this.#asked;
  }

  hold(message: Received): Held {
    const held = this.#inFlight.hold(message);
    if (this.#reserved > 0) {
      this.#reserved -= 1;
      this.#inFlight.unreserve(1);
    }
    return held;
  }

  /** Gives back the reserved slots whose events have not come. */
  end(): void {
    // Nobody knows about the reservation afterwards.
    if (this.#asked > 0) this.#wasFilled = this.#reserved === 0;
    this.#inFlight.unreserve(this.#reserved);
    this.#reserved = 0;
    this.#asked = 0;
  }
}
