import { headers, type MsgHdrs } from '@nats-io/transport-node';

/** Headers that any publisher may send: the server stores the name, but our client refuses to read it. */
export function unreadableHeaders(name = 'Not A Name'): MsgHdrs {
  const result = headers();
  // `append` would check the name.
  (result as unknown as { readonly headers: Map<string, string[]> }).headers.set(name, ['x']);
  return result;
}
