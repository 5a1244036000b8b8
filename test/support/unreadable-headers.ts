import { headers, type MsgHdrs } from '@nats-io/transport-node';

/** Headers that a server stores and the client refuses to read, as another client may write them. */
export function unreadableHeaders(): MsgHdrs {
  const written = headers();
  const { headers: byName } = written as unknown as { readonly headers: Map<string, string[]> };
  byName.set('Not A Name', ['x']);
  return written;
}
