import { headers, type MsgHdrs } from '@nats-io/transport-node';

/** Headers as any publisher may send them: the server stores the name, our client refuses to read it. */
export function unreadableHeaders(name = 'Not A Name'): MsgHdrs {
  const result = headers();
  // `append` would check the name.
  (result as unknown as { readonly headers: Map<string, string[]> }).headers.set(name, ['x']);
  return result;
}
