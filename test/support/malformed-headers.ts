import { headers, type MsgHdrs } from '@nats-io/transport-node';

/** Headers as any publisher may send them, with a name that our client refuses to parse. */
export function malformedHeaders(name: string): MsgHdrs {
  const result = headers();
  // `append` would check the name.
  (result as unknown as { readonly headers: Map<string, string[]> }).headers.set(name, ['x']);
  return result;
}
