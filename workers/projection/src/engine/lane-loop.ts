import { type LaneId, leaseOf, type Projection } from '@memfleet/projections';
import {
  acquireLease,
  isLeaseFree,
  isTransientBrokerError,
  isTransientDatabaseError,
  type Lease,
  messageOf,
  releaseLease,
  RuntimeError,
  sleep,
} from '@memfleet/runtime';
import { LaneLost } from './checkpoint.ts';
import { BrokenDelivery } from './feed.ts';
import { type LaneContext, runLane } from './lane.ts';
import { LeaseKeeper } from './lease-keeper.ts';

/** How long a halted lane waits before it looks again: a deploy or a person may have mended it. */
const HALTED_MS = 3_000;
const RETRY_MS = 250;
/**
 * A lane that is free for so many lease times is run beyond the share: whoever it was left to cannot
 * run it, as a worker of another version, or one that dies again and again.
 */
const LEFT_OVER_LEASES = 2;

export interface LaneLoop {
  readonly context: LaneContext;
  readonly projection: Projection;
  readonly id: LaneId;
  readonly owner: string;
  /** Whether one more lane is within the share of this process now. */
  readonly mayTake: () => boolean;
  /** Told of a lane that nobody else took too. */
  readonly onHeld: (isHeld: boolean, isLeftOver: boolean) => void;
  /** Aborts when the lane is to go to another process. */
  readonly yielding: () => AbortSignal;
  /** Aborts when the stream must be looked at again. */
  readonly doubt: () => AbortSignal;
  readonly signal: AbortSignal;
}

/**
 * One lane for the life of the process: wait for the lease, run under it, give it back, stand by.
 * @throws what ends the process, such as a durable that was deleted
 */
export async function superviseLane(loop: LaneLoop): Promise<void> {
  const { context, id, owner, signal } = loop;
  const { pool, config, log } = context;
  const leaseMs = config.projections.lease;
  let freeSince: number | undefined;
  while (!signal.aborted) {
    try {
      const isOurs = loop.mayTake();
      if (isOurs || !(await isLeaseFree(pool, leaseOf(id)))) freeSince = undefined;
      else freeSince ??= performance.now();
      const isLeftOver =
        freeSince !== undefined && performance.now() - freeSince > LEFT_OVER_LEASES * leaseMs;
      if (isOurs || isLeftOver) {
        const lease = await acquireLease(pool, leaseOf(id), owner, leaseMs);
        freeSince = undefined;
        if (lease !== undefined && isLeftOver) {
          log.warn(
            { ...id },
            'no other worker took the lane, it is run beyond the share of this one',
          );
        }
        if (lease !== undefined) await holdLane(loop, lease, isLeftOver);
      }
    } catch (error) {
      if (!isTransientDatabaseError(error)) throw error;
      context.monitor.troubled(`database: ${messageOf(error)}`);
      log.warn({ ...id, reason: messageOf(error) }, 'no answer about a lease, trying again');
    }
    // Jitter, so that of several workers standing by not all ask at once.
    await sleep((leaseMs / 5) * (0.5 + Math.random()), signal);
  }
}

/** Everything done under one lease; it is given back whatever happens. */
async function holdLane(loop: LaneLoop, lease: Lease, isLeftOver: boolean): Promise<void> {
  const { context, onHeld } = loop;
  const keeper = new LeaseKeeper(
    context.pool,
    lease,
    context.config.projections.lease,
    context.log,
  );
  onHeld(true, isLeftOver);
  try {
    await runSessions(loop, lease, AbortSignal.any([loop.signal, loop.yielding(), keeper.lost]));
  } finally {
    await keeper.stop();
    context.monitor.advanced();
    onHeld(false, false);
    if (!keeper.lost.aborted) await releaseLease(context.pool, lease);
  }
}

/**
 * Runs the lane again and again: after a hole or a reconnect at once, when it is halted after a
 * while. Each time it proves anew that the stream is the one it was.
 */
async function runSessions(loop: LaneLoop, lease: Lease, signal: AbortSignal): Promise<void> {
  const { context, projection, id } = loop;
  const { log, monitor } = context;
  while (!signal.aborted) {
    try {
      const session = AbortSignal.any([signal, loop.doubt()]);
      await runLane(context, projection, id, lease, session);
    } catch (error) {
      if (signal.aborted) return;
      const reason = messageOf(error);
      if (error instanceof LaneLost) {
        log.warn({ ...id, reason }, 'the lane was lost, standing by');
        return;
      }
      if (error instanceof BrokenDelivery) {
        log.warn({ ...id, reason }, 'the lane begins again at its checkpoint');
        await sleep(RETRY_MS, signal);
      } else if (isGone(error)) {
        throw error;
      } else if (isTransientDatabaseError(error) || isTransientBrokerError(error)) {
        monitor.troubled(reason);
        log.warn({ ...id, reason }, 'the lane cannot run, trying again');
        await sleep(RETRY_MS, signal);
      } else {
        monitor.halted(reason);
        log.error({ ...id, error }, 'the lane is halted');
        await sleep(HALTED_MS, signal);
      }
    }
  }
}

/** A stream or durable that was deleted is never made anew silently: the process ends. */
function isGone(error: unknown): boolean {
  return (
    error instanceof RuntimeError &&
    (error.code === 'STREAM_MISSING' || error.code === 'CONSUMER_MISSING')
  );
}
