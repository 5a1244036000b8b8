import type { JetStreamManager, SeqMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { errors, headers } from '@nats-io/transport-node';

/**
 * The message at a sequence, or with `next_by_subj` the first from there on that the subject matches.
 * Any replica may answer a direct read, and one that lags does not have the newest messages: that
 * something is gone is for the leader to say.
 *
 * The server takes names of headers that the client refuses to read. Such a message has none: what
 * somebody wrote there must not keep its bytes from being read.
 * @returns `null` when the stream has it no more, or not yet
 */
export async function messageAt(
  manager: JetStreamManager,
  stream: string,
  query: SeqMsgRequest & { readonly next_by_subj?: string },
): Promise<StoredMsg | null> {
  const message =
    (await direct(manager, stream, query)) ?? (await manager.streams.getMessage(stream, query));
  return message === null || hasReadableHeaders(message)
    ? message
    : (Object.create(message, { header: { value: headers() } }) as StoredMsg);
}

async function direct(
  manager: JetStreamManager,
  stream: string,
  query: SeqMsgRequest,
): Promise<StoredMsg | null> {
  try {
    return await manager.direct.getMessage(stream, query);
  } catch (error) {
    // Such an answer says where it is stored among the headers; that of the leader says so beside them.
    if (error instanceof errors.InvalidArgumentError) return null;
    throw error;
  }
}

function hasReadableHeaders(message: StoredMsg): boolean {
  try {
    return message.header.code >= 0;
  } catch {
    return false;
  }
}
