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

/** How long a halted lane waits before it looks again: a deploy or a person may have fixed it. */
const HALTED_MS = 3_000;
const RETRY_MS = 250;
/** A server that is just starting may not know its streams and durables yet: it is asked twice. */
const SECOND_LOOK_MS = 500;
/**
 * A lane that stays free for this many lease times is run beyond the share: the worker it was left to
 * cannot run it, because it has another version or keeps crashing.
 */
const LEFT_OVER_LEASES = 2;

export interface LaneLoop {
  readonly context: LaneContext;
  readonly projection: Projection;
  readonly id: LaneId;
  readonly owner: string;
  /** Whether this process's share allows one more lane now. */
  readonly mayTake: () => boolean;
  /** Called with every lane taken or given back, including one that no other process took. */
  readonly onHeld: (isHeld: boolean, isLeftOver: boolean) => void;
  /** Aborts when the lane should go to another process. */
  readonly yielding: () => AbortSignal;
  /** Aborts when the stream must be verified again. */
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
            'no other worker took the lane, so this one runs it beyond its share',
          );
        }
        if (lease !== undefined) await holdLane(loop, lease, isLeftOver);
      }
    } catch (error) {
      if (!isTransientDatabaseError(error)) throw error;
      context.monitor.troubled(`database: ${messageOf(error)}`);
      log.warn({ ...id, reason: messageOf(error) }, 'no answer about a lease, trying again');
    }
    // Jitter, so that workers standing by do not all ask at once.
    await sleep((leaseMs / 5) * (0.5 + Math.random()), signal);
  }
}

/** Does everything that is done under one lease, and always gives the lease back. */
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
 * Runs the lane in sessions: after a hole or a reconnect the next one begins at once, after a halt it
 * begins after a pause. Each session verifies again that the stream is the same.
 */
async function runSessions(loop: LaneLoop, lease: Lease, signal: AbortSignal): Promise<void> {
  const { context, projection, id } = loop;
  const { log, monitor } = context;
  let missing: string | undefined;
  while (!signal.aborted) {
    try {
      const session = AbortSignal.any([signal, loop.doubt()]);
      await runLane(context, projection, id, lease, session);
      missing = undefined;
    } catch (error) {
      if (signal.aborted) return;
      const reason = messageOf(error);
      const before = missing;
      missing = missingIn(error);
      if (error instanceof LaneLost) {
        log.warn({ ...id, reason }, 'the lane was lost, standing by');
        return;
      }
      if (error instanceof BrokenDelivery) {
        log.warn({ ...id, reason }, 'the lane begins again at its checkpoint');
        await sleep(RETRY_MS, signal);
      } else if (missing !== undefined) {
        if (missing === before) throw error;
        monitor.troubled(reason);
        log.warn({ ...id, reason }, 'the lane cannot run, looking again');
        await sleep(SECOND_LOOK_MS, signal);
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

/** What is gone, if that is the error. A deleted stream or durable is never recreated silently: the process ends. */
function missingIn(error: unknown): string | undefined {
  if (!(error instanceof RuntimeError)) return undefined;
  const { code } = error;
  return code === 'STREAM_MISSING' || code === 'CONSUMER_MISSING' ? code : undefined;
}
