import { every, type Repeated } from '../async/every.ts';
import type { Queryable } from '../database/connection.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import type { Progress } from './progress.ts';

export interface Identity {
  readonly instance: string;
  readonly worker: string;
  readonly host: string;
  readonly pid: number;
  healthUrl?: string;
}

/** A process that has not reported for this long is gone. */
export const GONE_AFTER_MS = 15_000;
const SWEEP_EVERY = 60;

/** Writes the worker's state into the database, where `memfleet status` reads it. */
export class Reporter {
  readonly #db: Queryable;
  readonly #identity: Identity;
  readonly #progress: Progress;
  readonly #log: Logger;
  #last = { processed: 0, at: performance.now() };
  #rate = 0;
  #reports = 0;
  #repeated: Repeated | undefined;

  constructor(db: Queryable, identity: Identity, progress: Progress, log: Logger) {
    this.#db = db;
    this.#identity = identity;
    this.#progress = progress;
    this.#log = log;
  }

  start(intervalMs: number): void {
    this.#repeated = every(intervalMs, () => this.report());
  }

  /** Writes one report; a failure is only logged, since the next report follows soon. */
  async report(): Promise<void> {
    try {
      await this.#write();
    } catch (error) {
      this.#log.debug({ reason: messageOf(error) }, 'the state could not be reported');
    }
  }

  async stop(): Promise<void> {
    await this.#repeated?.stop();
    await this.#db
      .query('delete from memfleet.worker_reports where instance = $1', [this.#identity.instance])
      .catch((error: unknown) =>
        this.#log.debug({ reason: messageOf(error) }, 'the last report was not removed'),
      );
  }

  async #write(): Promise<void> {
    const { instance, worker, host, pid, healthUrl } = this.#identity;
    const { state, cause } = this.#progress.state;
    await this.#db.query({
      name: 'worker-report',
      text: `insert into memfleet.worker_reports
          (instance, worker, host, pid, health_url, state, cause, in_flight, processed, rate, details)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
        on conflict (instance) do update set
          health_url = excluded.health_url, state = excluded.state, cause = excluded.cause,
          in_flight = excluded.in_flight, processed = excluded.processed, rate = excluded.rate,
          details = excluded.details, reported_at = now()`,
      values: [
        instance,
        worker,
        host,
        pid,
        healthUrl ?? null,
        state,
        cause ?? null,
        this.#progress.inFlight,
        this.#progress.processed,
        this.#currentRate(),
        JSON.stringify(this.#progress.counts),
      ],
    });
    this.#reports += 1;
    if (this.#reports % SWEEP_EVERY === 0) {
      await this.#db.query(
        `delete from memfleet.worker_reports where reported_at < now() - interval '10 minutes'`,
      );
    }
  }

  /** Events per second, smoothed over a few reports. */
  #currentRate(): number {
    const now = performance.now();
    const seconds = (now - this.#last.at) / 1_000;
    const { processed } = this.#progress;
    if (seconds > 0) {
      const current = (processed - this.#last.processed) / seconds;
      this.#rate = current === 0 && this.#rate < 0.5 ? 0 : this.#rate * 0.5 + current * 0.5;
    }
    this.#last = { processed, at: now };
    return this.#rate;
  }
}
