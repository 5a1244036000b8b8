import { type Msg, type NatsConnection, nuid } from '@nats-io/transport-node';
import { appendHeaders, type LogNames, type PreparedEvent } from './append.ts';
import { EventError } from './errors.ts';
import { parseReply, type PublishReply } from './refusal.ts';

/**
 * Sends events as one atomic batch: the server stores all or none. The client's own batch drops
 * Msg-Id and expectations after the first message and hides the server's errors, so the headers are
 * set here and every reply is read. The reply's sequence is that of the last event.
 * @throws ServerRefusal, EventError APPEND_REFUSED
 */
export async function sendBatch(
  connection: NatsConnection,
  batch: readonly PreparedEvent[],
  how: { readonly log: LogNames; readonly expectedVersion?: number; readonly timeout: number },
): Promise<PublishReply> {
  const batchId = nuid.next();
  let reply: Msg | undefined;
  for (const [index, prepared] of batch.entries()) {
    // The expectation holds for the batch as a whole and is stated once.
    const header = appendHeaders(prepared, how.log, index === 0 ? how.expectedVersion : undefined);
    header.set('Nats-Batch-Id', batchId);
    header.set('Nats-Batch-Sequence', String(index + 1));
    const isLast = index === batch.length - 1;
    if (isLast) header.set('Nats-Batch-Commit', '1');
    const { subject, json } = prepared;
    if (index > 0 && !isLast) {
      connection.publish(subject, json, { headers: header });
      continue;
    }
    // The server confirms the first message (with an empty reply), so a missing stream shows at once.
    reply = await connection.request(subject, json, { headers: header, timeout: how.timeout });
    if (!isLast && reply.data.length > 0) failUnbatched(reply);
  }
  return parseReply(reply?.string() ?? '{}');
}

/** A server without batches confirms the first event as a single one. */
function failUnbatched(reply: Msg): never {
  const { seq } = parseReply(reply.string());
  throw new EventError(
    'APPEND_REFUSED',
    `the server does not support atomic batches: it stored the first event by itself, at sequence ${seq}`,
  );
}
