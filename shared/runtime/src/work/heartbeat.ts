import type { Queryable } from '../database/pool.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import { renewClaims } from './held-claims.ts';
import type { InFlight } from './in-flight.ts';
import type { StageIdentity } from './stage.ts';

export interface HeartbeatOptions {
  readonly stage: StageIdentity;
  readonly inFlight: InFlight;
  readonly db: Queryable;
  readonly ackWaitMs: number;
  readonly leaseMs: number;
  /** From the beginning of its handler; beyond it an event is given up, and redelivered. */
  readonly deadlineMs: number;
  readonly log: Logger;
}

/** The reason an abort signal of a held event bears. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/**
 * Keeps what is held alive at both ends: tells the broker that work goes on, and extends the claims.
 * A claim that cannot be extended is lost, and its work is stopped: another worker has it.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timers: NodeJS.Timeout[];
  #lastBeat = performance.now();
  #renewing = false;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#timers = [
      setInterval(() => void this.beat(), options.ackWaitMs / 3),
      setInterval(() => void this.renew(), options.leaseMs / 3),
    ];
  }

  stop(): void {
    for (const timer of this.#timers) clearInterval(timer);
  }

  /**
   * One beat. After a silence longer than the ack wait, as of a process that was stopped, what is
   * held may be in other hands: the database is asked first, and nothing is said until it answers.
   */
  async beat(): Promise<void> {
    const { inFlight, deadlineMs, ackWaitMs } = this.#options;
    const wasSilent = performance.now() - this.#lastBeat > ackWaitMs;
    if (wasSilent && !(await this.renew())) return;
    const now = performance.now();
    this.#lastBeat = now;
    for (const held of inFlight) {
      if (held.abort.aborted && !held.settling) continue;
      // What waits for its claim, as while the database is away, has not begun.
      const { begunAt, settling } = held;
      if (!settling && begunAt !== undefined && now - begunAt >= deadlineMs) {
        held.abort.abort(new DeadlineExceeded('past its deadline'));
      } else {
        held.message.working();
      }
    }
  }

  /**
   * Extends every claim that is worked on, or whose result waits to be recorded; another that is being
   * settled is decided by its record.
   * @returns false when the database could not say which claims are still held
   */
  async renew(): Promise<boolean> {
    const { stage, inFlight, db, leaseMs, log } = this.#options;
    // A slow database must not pile up renewals.
    if (this.#renewing) return false;
    const claims = [...inFlight].flatMap((held) =>
      held.claim === undefined || (held.settling && held.awaitsRecord !== true)
        ? []
        : [{ held, ...held.claim }],
    );
    if (claims.length === 0) return true;
    this.#renewing = true;
    try {
      const kept = await renewClaims(db, stage, claims, leaseMs);
      for (const { held, ...claim } of claims) {
        if (kept.has(claim) || held.settling) continue;
        const { key } = claim;
        log.warn({ eventKey: key }, 'lease lost to another worker, its work is dropped');
        held.abort.abort(new LeaseLost('the claim went to another worker'));
      }
      return true;
    } catch (error) {
      // The record is fenced, so a lease that runs out meanwhile costs work, not correctness.
      log.warn({ reason: messageOf(error) }, 'leases could not be renewed, trying again');
      return false;
    } finally {
      this.#renewing = false;
    }
  }
}
