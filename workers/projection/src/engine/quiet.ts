import { durableOf, type LaneId } from '@memfleet/projections';
import { consumerInfo, type JetStreamManager, streamInfo } from '@memfleet/runtime';
import type { Committer } from './commit.ts';

/** How often a lane without events asks whether the log has moved on without it. */
export const QUIET_MS = 500;

/**
 * Moves the checkpoint of a lane that has nothing to do up to the end of the log: of several lanes
 * one may not see an event for days, and whoever waits for a position, or wants to trim the log,
 * must know that it lacks nothing. The end is read before the durable is asked, so that what is
 * stored in between counts as waiting.
 */
export async function followLog(
  jsm: JetStreamManager,
  stream: string,
  id: LaneId,
  committer: Committer,
): Promise<void> {
  const { state } = await streamInfo(jsm, stream);
  if (state.last_seq <= committer.position) return;
  const { num_pending: waiting, delivered } = await consumerInfo(jsm, stream, durableOf(id));
  if (waiting > 0 || delivered.stream_seq > committer.position) return;
  await committer.skipTo(state.last_seq);
}
