import { AbortSource, type Received, Waits } from '@memfleet/runtime';
import type { Job } from '../job.ts';

type Mutable<Type> = { -readonly [Key in keyof Type]: Type[Key] };

/**
 * Events that may be held, as a multiple of the slots. Beyond it the stage requests nothing, so that a
 * database that does not record cannot make a worker hold ever more.
 */
const MOST_HELD = 2;

/**
 * The events a stage holds, and its free slots. Heartbeats go out for all of them from receipt on, not
 * from the start of work: the ack timer runs from delivery. All sources of a stage share the slots; what a
 * source has requested is reserved until it arrives or the request ends. An event that is being settled has
 * given its slot back: the next call need not wait for its ack.
 */
export class Slots {
  readonly #slots: number;
  readonly #held = new Set<Mutable<Job>>();
  /** The events being worked on, by their keys. */
  readonly #keys = new Map<string, Job>();
  readonly #waiting = new Set<() => void>();
  #reserved = 0;
  #settling = 0;
  #finished = 0;

  constructor(slots: number) {
    this.#slots = slots;
  }

  get slots(): number {
    return this.#slots;
  }

  get size(): number {
    return this.#held.size;
  }

  get free(): number {
    const unused = this.#slots - (this.#held.size - this.#settling);
    return Math.min(unused, MOST_HELD * this.#slots - this.#held.size) - this.#reserved;
  }

  /**
   * The longest time that an event has been at its present step, in ms: since its handler began, as its
   * deadline counts it, or before that since its receipt. 0 when none is held.
   */
  get longestMs(): number {
    const now = performance.now();
    let longest = 0;
    for (const { begunAt, receivedAt, waits } of this.#held) {
      longest = Math.max(longest, now - (begunAt ?? receivedAt) - waits.totalMs);
    }
    return longest;
  }

  /** How many events were held and no longer are, since the process started. */
  get finished(): number {
    return this.#finished;
  }

  reserve(count: number): void {
    this.#reserved += count;
  }

  unreserve(count: number): void {
    if (count === 0) return;
    this.#reserved -= count;
    this.#wake();
  }

  hold(message: Received): Job {
    const job = {
      message,
      receivedAt: performance.now(),
      abort: new AbortSource(),
      waits: new Waits(),
      settling: false,
    };
    this.#held.add(job);
    return job;
  }

  /**
   * Reserves the key of an event for a delivery. This process must not claim an event a second time that is
   * already in hand, as when the database or the broker took its holder for dead: both deliveries would
   * work on it, each under the other's claim.
   * @returns false when another delivery holds that key
   */
  keep(job: Mutable<Job>, key: string): boolean {
    const holder = this.#keys.get(key);
    if (holder !== undefined && holder !== job && this.#held.has(holder)) return false;
    this.#keys.set(key, job);
    job.key = key;
    return true;
  }

  /** The handler has ended: its slot is free. */
  beginSettling(job: Mutable<Job>): void {
    if (job.settling || !this.#held.has(job)) return;
    job.settling = true;
    this.#settling += 1;
    this.#wake();
  }

  letGo(job: Job): void {
    if (this.#held.delete(job)) {
      if (job.key !== undefined && this.#keys.get(job.key) === job) this.#keys.delete(job.key);
      this.#finished += 1;
      if (job.settling) this.#settling -= 1;
    }
    this.#wake();
  }

  [Symbol.iterator](): IterableIterator<Job> {
    return this.#held.values();
  }

  /** Waits until `count` slots are free, or the time limit is over. */
  untilFree(count: number, limitMs: number | undefined, signal: AbortSignal): Promise<void> {
    return this.#until(() => this.free >= count, limitMs, signal);
  }

  /** Waits until nothing is held, or the time limit is over. @returns whether it is empty. */
  async drained(limitMs: number): Promise<boolean> {
    await this.#until(() => this.size === 0, limitMs);
    return this.size === 0;
  }

  async #until(isSo: () => boolean, limitMs?: number, signal?: AbortSignal): Promise<void> {
    if (isSo() || signal?.aborted === true) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const look = (): void => {
      if (isSo()) resolve();
    };
    const onAbort = (): void => resolve();
    this.#waiting.add(look);
    const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    await promise;
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
    this.#waiting.delete(look);
  }

  #wake(): void {
    for (const look of this.#waiting) look();
  }
}
