import { messageAt } from '@memfleet/events';
import { durableOf, type LaneId } from '@memfleet/projections';
import {
  consumerInfo,
  type FleetConfig,
  type JetStreamManager,
  partitionFilter,
  streamInfo,
} from '@memfleet/runtime';
import type { Committer } from './commit.ts';

/** How often a lane without events asks whether the log has moved on without it. */
export const QUIET_MS = 500;

/**
 * Moves the checkpoint of a lane that has nothing to do up to the end of the log: of several lanes
 * one may not see an event for days, and whoever waits for a position, or wants to trim the log,
 * must know that it lacks nothing. The end is read first, so that what is stored in between counts
 * as waiting. That nothing waits is asked of the log: a durable may be led by a server that does not
 * have the newest messages yet, and counts only what it has.
 */
export async function followLog(
  jsm: JetStreamManager,
  log: FleetConfig['log'],
  id: LaneId,
  committer: Pick<Committer, 'position' | 'skipTo'>,
): Promise<void> {
  const { stream, root } = log;
  const { position } = committer;
  const { state } = await streamInfo(jsm, stream);
  if (state.last_seq <= position) return;
  const { num_pending: waiting, delivered } = await consumerInfo(jsm, stream, durableOf(id));
  if (waiting > 0 || delivered.stream_seq > position) return;
  const ofLane = { seq: position + 1, next_by_subj: partitionFilter(root, id.lane) };
  const next = await messageAt(jsm, stream, ofLane);
  if (next !== null && next.seq <= state.last_seq) return;
  await committer.skipTo(state.last_seq);
}
