import { type Lease, type Logger, messageOf, type Pool, renewLease } from '@memfleet/runtime';
import { LaneLost } from './checkpoint.ts';

/**
 * Renews a lease until it is stopped. Its signal aborts when the lease is lost: another worker took
 * it, or it ran out by our own clock while the database did not answer.
 */
export class LeaseKeeper {
  readonly #pool: Pool;
  readonly #lease: Lease;
  readonly #leaseMs: number;
  readonly #log: Logger;
  readonly #lost = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #renewedAt = performance.now();
  #renewing: Promise<void> | undefined;

  constructor(pool: Pool, lease: Lease, leaseMs: number, log: Logger) {
    this.#pool = pool;
    this.#lease = lease;
    this.#leaseMs = leaseMs;
    this.#log = log;
    this.#timer = setInterval(() => this.#beat(), leaseMs / 4);
  }

  get lost(): AbortSignal {
    return this.#lost.signal;
  }

  /** Waits for a renewal under way: it must not come after the lease is given back. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#renewing;
  }

  #beat(): void {
    if (performance.now() - this.#renewedAt > this.#leaseMs) {
      this.#lost.abort(new LaneLost('the lease ran out before it could be renewed'));
    }
    if (this.#renewing !== undefined || this.#lost.signal.aborted) return;
    this.#renewing = this.#renew().finally(() => {
      this.#renewing = undefined;
    });
  }

  async #renew(): Promise<void> {
    const askedAt = performance.now();
    try {
      if (await renewLease(this.#pool, this.#lease, this.#leaseMs)) this.#renewedAt = askedAt;
      else this.#lost.abort(new LaneLost('another worker has the lease'));
    } catch (error) {
      this.#log.warn(
        { lease: this.#lease.name, reason: messageOf(error) },
        'a lease could not be renewed, trying again',
      );
    }
  }
}
