import type { Envelope } from '@memfleet/events';
import { said, VERBS } from '../integration/projections/generated-log.ts';
import type { Random } from '../support/random.ts';
import { subjectOf } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';
import type { ProjectionFleet } from './projection-fleet.ts';

const PRODUCERS = 3;
/** Concurrent appends of one producer. */
const CHUNK = 20;
const TENANTS = 3;
const MEMORIES = 400;

/**
 * Several concurrent producers that append generated events of every type, as far as they are allowed to.
 * One event in ten is a copy of an earlier one, stored a second time as by a publisher that retries after
 * the duplicate window.
 */
export class GrowingLog {
  readonly #fleet: ProjectionFleet;
  readonly #random: Random;
  readonly #said: Envelope[] = [];
  readonly #running: readonly Promise<void>[];
  #allowed = 0;
  #begun = 0;
  #copies = 0;
  #isClosed = false;
  #changed = Promise.withResolvers<void>();

  constructor(fleet: ProjectionFleet, random: Random) {
    this.#fleet = fleet;
    this.#random = random;
    this.#running = Array.from({ length: PRODUCERS }, () => this.#produce());
    // `close` awaits it.
    for (const each of this.#running) each.catch(() => undefined);
  }

  /** Events given to a producer, or confirmed by the server. */
  get begun(): number {
    return this.#begun;
  }

  get copies(): number {
    return this.#copies;
  }

  /** Lets the log grow to this many events. */
  allow(events: number): void {
    this.#allowed = Math.max(this.#allowed, events);
    this.#notify();
  }

  /** Waits until all allowed events are stored. @returns the last position */
  async close(): Promise<number> {
    this.#isClosed = true;
    this.#notify();
    await Promise.all(this.#running);
    const { state } = await this.#fleet.broker.jsm.streams.info(this.#fleet.config.log.stream);
    if (state.last_seq !== this.#begun) {
      throw new Error(`${this.#begun} events were acknowledged, ${state.last_seq} are stored`);
    }
    return state.last_seq;
  }

  async #produce(): Promise<void> {
    for (;;) {
      const count = Math.min(CHUNK, this.#allowed - this.#begun);
      if (count > 0) {
        const first = this.#begun;
        this.#begun += count;
        await Promise.all(Array.from({ length: count }, (_, index) => this.#append(first + index)));
      } else if (this.#isClosed) return;
      else await this.#changed.promise;
    }
  }

  async #append(index: number): Promise<void> {
    const random = this.#random;
    const isCopy = this.#said.length > 0 && random.below(10) === 0;
    const event = isCopy ? random.pick(this.#said) : this.#next(index);
    const subject = subjectOf(this.#fleet.config, event);
    const publish = async (): Promise<true> => {
      // An id of the try, not of the event: copies are stored twice on purpose here.
      await this.#fleet.broker.jetstream.publish(subject, JSON.stringify(event), {
        msgID: `${index}`,
      });
      return true;
    };
    // While the server is away there is no answer, and the try is repeated.
    await until(`event ${index} is stored`, () => publish().catch(() => undefined), 60_000);
    if (isCopy) this.#copies += 1;
    else this.#said.push(event);
  }

  #next(index: number): Envelope {
    const random = this.#random;
    const verbs = VERBS.filter((verb) => verb !== 'copy');
    return said(
      {
        what: random.pick(verbs),
        tenant: random.below(TENANTS),
        memory: random.below(MEMORIES),
        number: random.below(1_000),
        choice: random.below(1_000_000),
      },
      index,
    );
  }

  #notify(): void {
    this.#changed.resolve();
    this.#changed = Promise.withResolvers();
  }
}
