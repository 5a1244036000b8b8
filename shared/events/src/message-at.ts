import type { JetStreamManager, SeqMsgRequest, StoredMsg } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';

/**
 * The message at a sequence, or with `next_by_subj` the first from there on that the subject matches.
 * Any replica may answer a direct read, and one that lags does not have the newest messages: that
 * something is gone is for the leader to say.
 * @returns `null` when the stream has it no more, or not yet
 */
export async function messageAt(
  manager: JetStreamManager,
  stream: string,
  query: SeqMsgRequest & { readonly next_by_subj?: string },
): Promise<StoredMsg | null> {
  return (
    (await manager.direct.getMessage(stream, query).catch(unreadable)) ??
    (await manager.streams.getMessage(stream, query))
  );
}

/**
 * A direct read brings the headers of the message as its own, and the client throws at those it cannot
 * parse. The leader's answer has them as bytes.
 */
function unreadable(error: unknown): null {
  if (error instanceof errors.InvalidArgumentError) return null;
  throw error;
}
