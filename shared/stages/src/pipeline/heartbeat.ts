import {
  type FleetConfig,
  type Logger,
  messageOf,
  type Queryable,
  type StageConfig,
} from '@memfleet/runtime';
import type { Slots } from '../admission/slots.ts';
import { renewClaims } from '../claims/held-claims.ts';
import type { Job } from '../job.ts';
import type { StageIdentity } from '../stage.ts';

export interface HeartbeatOptions {
  readonly stage: StageIdentity;
  readonly slots: Slots;
  /** Only for renewals, see `renewalSettings`. */
  readonly db: Queryable;
  readonly ackWaitMs: number;
  readonly leaseMs: number;
  /** Counted from the start of the handler, without its waits. A late event is given up and redelivered. */
  readonly deadlineMs: number;
  readonly log: Logger;
}

/** How soon to retry a failed renewal: once the database is back, claims go first. */
const RENEW_AGAIN_MS = 250;
/** A busy server needs this long for a statement, however short a lease is. */
const MIN_RENEWAL_MS = 1_000;

/**
 * How renewals reach the database: on a connection of their own, so that they do not wait behind bulk
 * work, and with a time limit that leaves time for another try on a new connection within the lease.
 */
export function renewalSettings(
  database: FleetConfig['database'],
  times: Pick<StageConfig, 'lease' | 'ackWait'>,
): FleetConfig['database'] {
  const limitMs = Math.max(MIN_RENEWAL_MS, renewEveryMs(times));
  return {
    ...database,
    poolSize: 1,
    statementTimeout: Math.min(database.statementTimeout, limitMs),
  };
}

/** Three renewals within the shorter of the two times that expire: the lease and the ack wait. */
function renewEveryMs({ lease, ackWait }: Pick<StageConfig, 'lease' | 'ackWait'>): number {
  return Math.floor(Math.min(lease, ackWait) / 3);
}

/** The reason of the abort signal of a held event. */
export class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}
export class DeadlineExceeded extends Error {
  override readonly name = 'DeadlineExceeded';
}

/**
 * Keeps held events alive at both ends: tells the broker that work goes on, and extends the claims. A
 * claim that cannot be extended is lost, and its work stops: another worker has it.
 */
export class Heartbeat {
  readonly #options: HeartbeatOptions;
  readonly #timers: NodeJS.Timeout[];
  /** Time between two renewals. */
  readonly #everyMs: number;
  #again: NodeJS.Timeout | undefined;
  #lastBeat = performance.now();
  /** Since when no beat was sent, and when that was noticed, until the database has answered. */
  #silence: { readonly from: number; readonly until: number } | undefined;
  #renewing = false;
  #isStopped = false;
  #isTroubled = false;
  /** Since when every renewal was answered in time, and when the last one was, by this process's clock. */
  #steadySince: number | undefined;
  #renewedAt = Number.NEGATIVE_INFINITY;
  /** The same, by the database's clock. */
  #renewedAtDatabase = 0;

  constructor(options: HeartbeatOptions) {
    this.#options = options;
    this.#everyMs = renewEveryMs({ lease: options.leaseMs, ackWait: options.ackWaitMs });
    this.#timers = [
      setInterval(() => void this.beat(), options.ackWaitMs / 3),
      setInterval(() => void this.renew(), this.#everyMs),
    ];
  }

  stop(): void {
    this.#isStopped = true;
    for (const timer of this.#timers) clearInterval(timer);
    clearTimeout(this.#again);
  }

  /**
   * Until when an expired claim may be taken for a dead worker's, in ms since 1970 by the database's clock;
   * undefined when it may not. After an outage of the database the claims of live workers have expired too,
   * so every process waits until the database has answered for two renewals: by then, live workers have
   * renewed. The answer does not outlive the next outage: a statement held up by one arrives after this
   * time.
   */
  get takeOverUntil(): number | undefined {
    const since = this.#steadySince;
    if (since === undefined || performance.now() - since < 2 * this.#everyMs) return undefined;
    return this.#renewedAtDatabase + 1.5 * this.#everyMs;
  }

  /**
   * Sends one beat. After a silence longer than the ack wait, as of a process that was stopped, other
   * workers may hold the same events: the database is asked first, and no beat is sent until it answers.
   * The silence does not count towards the deadline of those that are still ours: their calls did not hang.
   */
  async beat(): Promise<void> {
    const { slots, deadlineMs, ackWaitMs } = this.#options;
    const resumedAt = performance.now();
    if (resumedAt - this.#lastBeat > ackWaitMs) {
      this.#silence ??= { from: this.#lastBeat, until: resumedAt };
    }
    const silence = this.#silence;
    if (silence !== undefined && !(await this.renew())) return;
    this.#silence = undefined;
    const now = performance.now();
    this.#lastBeat = now;
    for (const job of slots) {
      if (job.abort.aborted && !job.settling) continue;
      // Its record decides whether the claim was lost in the silence; until then it sends no beat.
      if (silence !== undefined && job.settling) continue;
      // An event that waits for its claim, as while the database is away, has not begun.
      const { begunAt, settling, waits } = job;
      if (silence !== undefined && begunAt !== undefined) {
        waits.wasStopped(Math.max(silence.from, begunAt), silence.until);
      }
      const isOver = begunAt !== undefined && now - begunAt - waits.totalMs >= deadlineMs;
      if (!settling && isOver) {
        job.abort.abort(new DeadlineExceeded('past its deadline'));
      } else {
        this.#tell(job);
      }
    }
  }

  #tell({ message }: Job): void {
    try {
      message.working();
    } catch (error) {
      // The other events still need their beats; this one is redelivered when its ack wait is over.
      this.#options.log.warn({ reason: messageOf(error) }, 'a heartbeat could not be sent');
    }
  }

  /**
   * Extends every claim whose event is being worked on or whose result waits to be recorded. For any other
   * event being settled, its record decides. A failed renewal is retried at once, and again: a process that
   * looks for expired claims must find these renewed.
   * @returns false when the database could not say which claims are still held
   */
  async renew(): Promise<boolean> {
    const { stage, slots, db, leaseMs, log } = this.#options;
    // A slow database must not pile up renewals.
    if (this.#renewing) return false;
    const claims = [...slots].flatMap((job) =>
      job.claim === undefined || (job.settling && job.awaitsRecord !== true)
        ? []
        : [{ job, ...job.claim }],
    );
    this.#renewing = true;
    const startedAt = performance.now();
    try {
      const { kept, nowMs } = await renewClaims(db, stage, claims, leaseMs);
      for (const { job, ...claim } of claims) {
        if (kept.has(claim) || job.settling) continue;
        const { key } = claim;
        log.warn({ eventKey: key }, 'lease lost to another worker, its work is dropped');
        job.abort.abort(new LeaseLost('the claim went to another worker'));
      }
      this.#answered(startedAt, nowMs);
      return true;
    } catch (error) {
      this.#failed();
      // The record is fenced, so a lease that runs out meanwhile costs work, not correctness.
      log.warn({ reason: messageOf(error) }, 'leases could not be renewed, trying again');
      // The database knows nothing about an event without a claim.
      return claims.length === 0;
    } finally {
      this.#renewing = false;
    }
  }

  #answered(startedAt: number, atDatabase: number): void {
    const now = performance.now();
    const isGap =
      now - startedAt > this.#everyMs || startedAt - this.#renewedAt > 2 * this.#everyMs;
    if (isGap || this.#steadySince === undefined) this.#steadySince = now;
    this.#renewedAt = now;
    this.#renewedAtDatabase = atDatabase;
    if (!this.#isTroubled) return;
    this.#isTroubled = false;
    // The marks that tell others an event is in hand may have expired just as the claims did.
    void this.beat();
  }

  #failed(): void {
    this.#isTroubled = true;
    this.#steadySince = undefined;
    clearTimeout(this.#again);
    // One that was under way at the end must not go on for ever.
    if (this.#isStopped) return;
    this.#again = setTimeout(() => void this.renew(), Math.min(RENEW_AGAIN_MS, this.#everyMs));
  }
}
