import type { Received } from '@memfleet/runtime';
import type { Job } from '../job.ts';
import type { Slots } from './slots.ts';

/**
 * An idle source reserves no more than this share of the slots with its open request, so that the busy
 * one can use the others.
 */
const IDLE_SHARE = 1 / 32;

/** One source's use of the slots: how many events it requests, and how many have come. */
export class RequestSize {
  readonly #slots: Slots;
  readonly #batch: number;
  readonly #lingerMs: number;
  readonly #least: number;
  #appetite: number;
  #reserved = 0;
  #asked = 0;
  #wasFilled = false;

  constructor(
    slots: Slots,
    options: { readonly batch: number; readonly lingerMs: number; readonly sources: number },
  ) {
    this.#slots = slots;
    this.#batch = options.batch;
    this.#lingerMs = options.lingerMs;
    const isAlone = options.sources === 1;
    this.#least = isAlone ? options.batch : Math.max(1, Math.floor(slots.slots * IDLE_SHARE));
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
    await this.#slots.untilFree(1, undefined, signal);
    // A short wait for more free slots makes full batches of a steady trickle.
    await this.#slots.untilFree(most, this.#lingerMs, signal);
    if (signal.aborted) return 0;
    this.#asked = Math.max(0, Math.min(most, this.#slots.free));
    this.#reserved = this.#asked;
    this.#slots.reserve(this.#reserved);
    return this.#asked;
  }

  hold(message: Received): Job {
    const job = this.#slots.hold(message);
    if (this.#reserved > 0) {
      this.#reserved -= 1;
      this.#slots.unreserve(1);
    }
    return job;
  }

  /** Gives back the reserved slots whose events have not come. */
  end(): void {
    // Nobody knows about the reservation afterwards.
    if (this.#asked > 0) this.#wasFilled = this.#reserved === 0;
    this.#slots.unreserve(this.#reserved);
    this.#reserved = 0;
    this.#asked = 0;
  }
}
