import {
  isTransientDatabaseError,
  messageOf,
  type Queryable,
  RuntimeError,
} from '@memfleet/runtime';
import { laneStatus } from './lane-status.ts';
import { type Place, readParkedAt, readPlace } from './live-place.ts';
import { nextLookMs } from './look-interval.ts';
import { LookTimer } from './look-timer.ts';
import { Stillness } from './stillness.ts';

interface Waiter {
  readonly sequence: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Watches how far the live tables of a projection are, as long as somebody waits. One query serves all
 * who wait; it is repeated as soon as its answer may have changed.
 */
export class ProjectionWatch {
  readonly #db: Queryable;
  readonly #projection: string;
  readonly #waiters = new Set<Waiter>();
  readonly #timer = new LookTimer();
  readonly #stillness: Stillness;
  #isRunning = false;
  #place: Place | undefined;
  /** The last error of the database. */
  #trouble: string | undefined;

  constructor(db: Queryable, projection: string) {
    this.#db = db;
    this.#projection = projection;
    this.#stillness = new Stillness(async () =>
      (await laneStatus(db)).filter(
        (lane) => lane.projection === projection && lane.generationState === 'live',
      ),
    );
  }

  /** @throws as `waitFor` */
  async wait(sequence: number, timeoutMs: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted();
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const waiter: Waiter = { sequence, resolve, reject };
    const onAbort = (): void => reject(signal?.reason);
    const onTimeout = (): void => reject(this.#behind(sequence, timeoutMs));
    const timeout = setTimeout(onTimeout, timeoutMs);
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    this.#timer.hasten();
    if (!this.#isRunning) void this.#run();
    try {
      await promise;
    } finally {
      clearTimeout(timeout);
      signal?.removeEventListener('abort', onAbort);
      this.#waiters.delete(waiter);
      if (this.#waiters.size === 0) this.#timer.hasten();
    }
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#stillness.reset();
    let delayMs: number | undefined;
    try {
      // Callers of the same tick share the first look.
      await Promise.resolve();
      while (this.#waiters.size > 0) {
        const before = this.#place;
        await this.#look();
        if (this.#waiters.size === 0) break;
        delayMs = nextLookMs({ before, now: this.#place, nearest: this.#nearest(), delayMs });
        await this.#timer.sleep(delayMs);
      }
    } catch (error) {
      for (const { reject } of this.#waiters) reject(error);
      this.#waiters.clear();
    } finally {
      this.#isRunning = false;
      this.#place = undefined;
    }
  }

  /** @throws errors that waiting cannot fix */
  async #look(): Promise<void> {
    // This look answers only those who wait now: a rollback may come before later ones.
    const present = [...this.#waiters];
    try {
      const place = await readPlace(this.#db, this.#projection);
      if (place === undefined) {
        throw new RuntimeError('DRIFT', `projection ${this.#projection} is not provisioned`);
      }
      this.#place = place;
      this.#trouble = undefined;
      await this.#settle(place, present);
      if (this.#waiters.size > 0) await this.#rejectHopeless(place);
    } catch (error) {
      // When the database restarts, everybody waits on, each within their own limit.
      if (!isTransientDatabaseError(error)) throw error;
      this.#trouble = messageOf(error);
    }
  }

  async #settle(place: Place, present: readonly Waiter[]): Promise<void> {
    const reached = present.filter(
      (waiter) => waiter.sequence <= place.position && this.#waiters.has(waiter),
    );
    if (reached.length === 0) return;
    const parked = place.hasParked
      ? await readParkedAt(this.#db, this.#projection, place.generation, sequencesOf(reached))
      : undefined;
    for (const waiter of reached) {
      this.#waiters.delete(waiter);
      const reason = parked?.get(waiter.sequence);
      if (reason === undefined) waiter.resolve();
      else waiter.reject(this.#parked(waiter.sequence, reason));
    }
  }

  /** Rejects those who wait for a position that will not come by itself, and says why. */
  async #rejectHopeless(place: Place): Promise<void> {
    for (const { lane, position, code, cause } of await this.#stillness.lanesInVain(place)) {
      const where = `lane ${lane} of ${this.#projection} is at position ${position}`;
      const error = new RuntimeError(code, `${where}: ${cause}`);
      for (const waiter of this.#waiters) {
        if (waiter.sequence <= position) continue;
        this.#waiters.delete(waiter);
        waiter.reject(error);
      }
    }
  }

  #nearest(): number {
    let nearest = Number.POSITIVE_INFINITY;
    for (const { sequence } of this.#waiters) nearest = Math.min(nearest, sequence);
    return nearest;
  }

  #behind(sequence: number, timeoutMs: number): RuntimeError {
    const place =
      this.#place === undefined
        ? 'how far it is could not be read'
        : `it is at position ${this.#place.position}`;
    const causes = [this.#trouble, this.#stillness.cause].filter((each) => each !== undefined);
    const message = `${this.#projection} did not apply position ${sequence} within ${timeoutMs} ms: ${[place, ...causes].join('; ')}`;
    return new RuntimeError('PROJECTION_BEHIND', message);
  }

  #parked(sequence: number, reason: string): RuntimeError {
    return new RuntimeError(
      'EVENT_PARKED',
      `the event at position ${sequence} is parked in ${this.#projection}: ${reason}`,
    );
  }
}

function sequencesOf(waiters: readonly Waiter[]): number[] {
  return [...new Set(waiters.map(({ sequence }) => sequence))];
}
