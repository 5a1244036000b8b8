import {
  errors,
  type NatsConnection,
  type Payload,
  type RequestOptions,
} from '@nats-io/transport-node';

/**
 * The connection, except for the requests that it is told to lose: on the way there, and the server
 * never hears of them, or on the way back, and the server has done what it was asked. Either way the
 * publisher is told of a timeout. Requests without headers are no appends, and are left alone.
 */
export function lossy(
  connection: NatsConnection,
  isLost: (request: number) => 'there' | 'back' | undefined,
): { readonly connection: NatsConnection; readonly requests: () => number } {
  let requests = 0;
  const request = async (subject: string, payload?: Payload, options?: RequestOptions) => {
    if (options?.headers === undefined) return await connection.request(subject, payload, options);
    requests += 1;
    const lost = isLost(requests);
    if (lost === 'there') throw new errors.TimeoutError();
    const reply = await connection.request(subject, payload, options);
    if (lost === 'back') throw new errors.TimeoutError();
    return reply;
  };
  const wrapped = new Proxy(connection, {
    get(target, name) {
      if (name === 'request') return request;
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
  return { connection: wrapped, requests: () => requests };
}
