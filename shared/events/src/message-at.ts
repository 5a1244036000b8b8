import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';

type Place = Parameters<JetStreamManager['streams']['getMessage']>[1];

/**
 * The message at a sequence, or with `next_by_subj` the first at or after it that matches the subject, or
 * with `last_by_subj` the last.
 *
 * It asks the leader, although any replica would answer a direct read. Only the stream leader can report a
 * message as missing, and its answer is JSON. A direct answer has the headers that somebody stored, in
 * whose status line and names the client finds failures of its own; one such message ends its connection.
 * A message whose headers the client refuses to read is returned without headers: they must not prevent
 * reading its bytes.
 * @returns `null` when the stream no longer has it, or does not have it yet
 */
export async function messageAt(
  manager: JetStreamManager,
  stream: string,
  place: Place & { readonly next_by_subj?: string },
): Promise<StoredMsg | null> {
  const message = await manager.streams.getMessage(stream, place);
  return message === null || hasReadableHeaders(message)
    ? message
    : (Object.create(message, { header: { value: headers() } }) as StoredMsg);
}

function hasReadableHeaders(message: StoredMsg): boolean {
  try {
    return message.header.code >= 0;
  } catch {
    return false;
  }
}
