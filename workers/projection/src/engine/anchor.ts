import { messageAt } from '@memfleet/events';
import { type JetStreamManager, RuntimeError, streamInfo } from '@memfleet/runtime';
import type { Checkpoint } from './checkpoint.ts';
import { digestOf } from './commit.ts';

/**
 * Checks that the stream is the one that was read up to the checkpoint. A stream that was recreated,
 * or restored from an older copy, assigns the same sequence numbers again: reading on would skip
 * events, or overwrite rows with events of another history.
 * @returns when the stream was created
 * @throws RuntimeError LANE_HALTED that says what the stream is instead
 */
export async function verifyAnchor(
  jsm: JetStreamManager,
  stream: string,
  { position, streamCreated, eventDigest }: Checkpoint,
): Promise<string> {
  const { created, state } = await streamInfo(jsm, stream);
  const { first_seq: first, last_seq: last } = state;
  if (streamCreated !== null && streamCreated !== created) {
    throw halt(
      `stream ${stream} was recreated: it was created at ${created}, but the events read up to position ${position} are from the stream created at ${streamCreated}`,
    );
  }
  if (last < position) {
    throw halt(
      `stream ${stream} was restored from an older copy: it ends at ${last}, and position ${position} was read before`,
    );
  }
  if (first > position + 1) {
    throw halt(
      `stream ${stream} begins at ${first}: the events from ${position + 1} on were removed before they were read`,
    );
  }
  if (eventDigest === null || first > position) return created;
  const stored = await messageAt(jsm, stream, { seq: position });
  // An erased message proves nothing about the stream; the checks of its age and its ends above do.
  if (stored !== null && !digestOf(stored.data).equals(eventDigest)) {
    throw halt(
      `stream ${stream} was restored from an older copy and written to since: position ${position} holds another event than the one that was read`,
    );
  }
  return created;
}

function halt(message: string): RuntimeError {
  return new RuntimeError('LANE_HALTED', message);
}
