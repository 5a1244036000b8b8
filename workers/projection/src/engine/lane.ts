import { setTimeout as delay } from 'node:timers/promises';
import { messageAt } from '@memfleet/events';
import {
  durableOf,
  laneConsumerOf,
  type LaneId,
  type Projection,
  ProjectionWriter,
  schemaOf,
} from '@memfleet/projections';
import {
  checkFilter,
  type FleetConfig,
  type JetStreamManager,
  type Lease,
  type Logger,
  messageOf,
  type Pool,
  retryTransient,
  type WorkerContext,
} from '@memfleet/runtime';
import { verifyAnchor } from './anchor.ts';
import { takeCheckpoint } from './checkpoint.ts';
import { Committer, type Prepared } from './commit.ts';
import { feed } from './feed.ts';
import { Inbox } from './inbox.ts';
import type { LaneMonitor } from './lane-state.ts';
import { Pace } from './pace.ts';
import { loadParkedKeys } from './parked-keys.ts';
import { type LaneSource, QUIET_MS, QuietLane } from './quiet.ts';
import { readBatch } from './read-batch.ts';
import { EventReader } from './read-event.ts';
import { Redriver } from './redrive.ts';

export interface LaneContext {
  readonly config: FleetConfig;
  readonly connection: WorkerContext['connection'];
  readonly jetstream: WorkerContext['jetstream'];
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly log: Logger;
  /** Lanes of the generation: a single lane sees every event. */
  readonly lanes: number;
  readonly monitor: LaneMonitor;
  /** True while nobody reads the generation's tables. */
  readonly isBackground: () => boolean;
  /** Lets lanes with live readers go first; returns at once for those lanes. */
  readonly giveWay: (size: number) => Promise<number>;
  readonly onCommitted: (how: 'applied' | 'parked', count: number) => void;
}

/**
 * Runs a lane under a lease until the signal: read the checkpoint, verify that the stream is the one
 * it refers to, reset the durable to it, then read and write. Returns when the last transaction that
 * was begun is committed.
 * @throws LaneLost, BrokenDelivery (run it again), RuntimeError LANE_HALTED, DRIFT, CONSUMER_MISSING
 */
export async function runLane(
  context: LaneContext,
  projection: Projection,
  id: LaneId,
  lease: Lease,
  signal: AbortSignal,
): Promise<void> {
  const { config, jetstream, jsm, pool, log, monitor } = context;
  const { stream, root } = config.log;
  const onRetry = (error: unknown): void => {
    monitor.troubled(`database: ${messageOf(error)}`);
    log.warn({ ...id, reason: messageOf(error) }, 'a transaction failed, trying again');
  };
  const checkpoint = await retryTransient(() => takeCheckpoint(pool, id, lease.epoch), {
    signal,
    onRetry,
  });
  const streamCreated = await verifyAnchor(jsm, stream, checkpoint);
  const parked = await loadParkedKeys(pool, id);
  const { position } = checkpoint;
  const wanted = laneConsumerOf(config, id, context.lanes);
  await checkFilter(jsm, wanted);
  await jsm.consumers.reset(stream, durableOf(id), position + 1);
  const consumer = await jetstream.consumers.get(stream, durableOf(id));
  log.info({ ...id, position, epoch: lease.epoch.toString() }, 'the lane runs');
  monitor.advanced();

  // Ends the reader with the writer, however the writer ends.
  const stop = new AbortController();
  const { batch, linger, onNewer } = config.projections;
  const inbox = new Inbox(2 * batch);
  const filter = wanted.config.filter_subject ?? '>';
  const source: LaneSource = { jsm, stream, durable: durableOf(id), filter };
  const reader = new EventReader(projection, root, onNewer);
  const writer = new ProjectionWriter(projection, schemaOf(id.projection, id.generation));
  const reading = feed({
    connection: context.connection,
    consumer,
    inbox,
    position,
    nextInLog: async (from) => {
      return (await messageAt(jsm, stream, { seq: from, next_by_subj: filter }))?.seq;
    },
    batch,
    signal: AbortSignal.any([signal, stop.signal]),
    onTrouble: (error) => {
      monitor.troubled(`broker: ${messageOf(error)}`);
      log.warn({ ...id, reason: messageOf(error) }, 'could not read, trying again');
    },
  });
  const committer = new Committer({
    id,
    epoch: lease.epoch,
    pool,
    writer,
    parked,
    streamCreated,
    position,
    read: (message) => reader.read(message),
    readLog: async (seq) => await messageAt(jsm, stream, { seq }),
    isBackground: context.isBackground,
    signal,
    onRetry,
    onHeld: () => monitor.held(),
  });
  const redriver = new Redriver({
    id,
    epoch: lease.epoch,
    pool,
    jsm,
    stream,
    reader,
    writer,
    parked,
    signal,
    onRetry,
    onRedriven: (applied) => context.onCommitted('applied', applied),
  });
  try {
    const quiet = new QuietLane(source, committer, inbox);
    const between = { size: batch, pace: new Pace(linger), reader, quiet, redriver };
    await writeAll(context, inbox, committer, between, signal);
  } finally {
    stop.abort();
    inbox.end();
    await reading;
  }
}

interface Between {
  /** Events in a batch. */
  readonly size: number;
  readonly pace: Pace;
  readonly reader: EventReader;
  readonly quiet: QuietLane;
  readonly redriver: Redriver;
}

/**
 * Runs one transaction at a time and prepares the next batch meanwhile: as soon as a full batch has
 * been read, or else with the events that have come when the transaction is done.
 */
async function writeAll(
  context: LaneContext,
  inbox: Inbox,
  committer: Committer,
  { size, pace, reader, quiet, redriver }: Between,
  signal: AbortSignal,
): Promise<void> {
  let committing: Promise<void> | undefined;
  try {
    while (!signal.aborted) {
      const isQuiet = await waitForWork(inbox, size, committing);
      if (isQuiet) await quiet.follow();
      // While a batch is written its transaction compares, and the row may be before it or behind it.
      const standsAt = committing === undefined ? committer.position : undefined;
      const isAsked = await redriver.isAsked(standsAt);
      if (isAsked || inbox.size < size) {
        await committing;
        committing = undefined;
      }
      if (isAsked) await redriver.run();
      const most = await context.giveWay(size);
      await pace.next(inbox, most);
      const messages = inbox.take(most);
      if (messages === undefined) break;
      if (messages.length === 0) continue;
      const { events, newer } = await readBatch(reader, messages);
      const prepared = committer.prepare(events);
      await committing;
      if (signal.aborted) break;
      pace.began();
      committing = commit(context, committer, prepared);
      // The next round awaits it; until then a failure must not count as unhandled.
      committing.catch(() => undefined);
      // Earlier events are applied; a newer version will read on, and nothing is skipped meanwhile.
      if (newer !== undefined) throw newer;
    }
  } finally {
    await committing;
  }
}

/** @returns true when no event has come for a while and no transaction runs */
async function waitForWork(
  inbox: Inbox,
  size: number,
  committing: Promise<void> | undefined,
): Promise<boolean> {
  if (committing !== undefined) {
    await inbox.filled(size, committing);
    return false;
  }
  const timer = new AbortController();
  const quiet = delay(QUIET_MS, undefined, { signal: timer.signal });
  await inbox.filled(1, quiet);
  timer.abort();
  return inbox.size === 0;
}

async function commit(
  { monitor, onCommitted }: LaneContext,
  committer: Committer,
  prepared: Prepared,
): Promise<void> {
  monitor.began(prepared.messages.length);
  const { applied, parked } = await committer.commit(prepared);
  monitor.advanced();
  if (applied > 0) onCommitted('applied', applied);
  if (parked > 0) onCommitted('parked', parked);
  // Only for displays: the checkpoint is the truth. Acking the last message acks all before it.
  prepared.messages.at(-1)?.ack();
}
