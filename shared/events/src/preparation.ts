import { type Limits, type LogNames, prepare, type Prepared, stamped } from './append.ts';

/**
 * Makes events ready to be sent, once each: what a check has made is there for the append that
 * follows it. It is kept no longer than the event itself.
 */
export class Preparation {
  readonly #log: LogNames;
  readonly #limits: Limits;
  readonly #checked = new WeakMap<object, Prepared>();

  constructor(log: LogNames, limits: Limits) {
    this.#log = log;
    this.#limits = limits;
  }

  /** @throws EventError EVENT_INVALID | EVENT_TOO_LARGE */
  check(event: unknown): Prepared {
    const known = this.#known(event);
    if (known !== undefined) return known;
    const prepared = prepare(event, this.#log, this.#limits);
    this.#checked.set(prepared.event, prepared);
    return prepared;
  }

  /** As `check`, for an append that is decided on a version: the event itself says so. */
  of(event: unknown, expectedVersion: number | undefined): Prepared {
    const known = expectedVersion === undefined ? this.#known(event) : undefined;
    return known ?? prepare(stamped(event, expectedVersion), this.#log, this.#limits);
  }

  #known(event: unknown): Prepared | undefined {
    return typeof event === 'object' && event !== null ? this.#checked.get(event) : undefined;
  }
}
