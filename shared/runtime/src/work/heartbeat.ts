import type { Queryable } from '../database/pool.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import { renewClaims, type StageIdentity } from './dedupe.ts';
import type { InFlight } from './in-flight.ts';

export interface HeartbeatOptions {
  readonly stage: StageIdentity;
  readonly inFlight: readonly InFlight[];
  readonly db: Queryable;
  readonly ackWaitMs: number;
  readonly leaseMs: number;
  /** From receipt; beyond it an event is given up, and redelivered. */
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
export function startHeartbeat(options: HeartbeatOptions): { stop(): void } {
  const broker = setInterval(() => beat(options), options.ackWaitMs / 3);
  let renewing = false;
  const claims = setInterval(() => {
    // A slow database must not pile up renewals.
    if (renewing) return;
    renewing = true;
    void renew(options).finally(() => {
      renewing = false;
    });
  }, options.leaseMs / 3);
  return {
    stop() {
      clearInterval(broker);
      clearInterval(claims);
    },
  };
}

/** One beat; a plain function, so that tests need no timer. */
export function beat({ inFlight, deadlineMs }: HeartbeatOptions): void {
  const now = performance.now();
  for (const held of [...inFlight].flatMap((set) => [...set])) {
    if (held.abort.signal.aborted) continue;
    if (now - held.receivedAt >= deadlineMs)
      held.abort.abort(new DeadlineExceeded('past its deadline'));
    else held.message.working();
  }
}

/** One renewal of every claim that is held. */
export async function renew(options: HeartbeatOptions): Promise<void> {
  const { stage, inFlight, db, leaseMs, log } = options;
  const held = inFlight.flatMap((set) => [...set]).filter((item) => item.claim !== undefined);
  if (held.length === 0) return;
  const claims = held.flatMap((item) => (item.claim === undefined ? [] : [item.claim]));
  try {
    const kept = await renewClaims(db, stage, claims, leaseMs);
    for (const item of held) {
      if (item.claim === undefined || kept.has(item.claim.key)) continue;
      log.warn({ eventKey: item.claim.key }, 'lease lost to another worker, its work is dropped');
      item.abort.abort(new LeaseLost('the claim went to another worker'));
    }
  } catch (error) {
    // The record is fenced, so a lease that runs out meanwhile costs work, not correctness.
    log.warn({ reason: messageOf(error) }, 'leases could not be renewed, trying again');
  }
}
