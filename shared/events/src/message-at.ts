import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { headers } from '@nats-io/transport-node';

type Place = Parameters<JetStreamManager['streams']['getMessage']>[1];

/**
 * The message at a sequence, or with `next_by_subj` the first from there on that the subject matches, or
 * with `last_by_subj` the last.
 *
 * The leader is asked, although any replica would answer a direct read. Only the leader can say that a
 * message is gone, and its answer is JSON: a direct one has the headers that somebody stored, in whose
 * status line and names the client finds failures of its own; one such message ends its connection.
 * A message whose headers the client refuses to read has none here: they must not keep its bytes from
 * being read.
 * @returns `null` when the stream has it no more, or not yet
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
