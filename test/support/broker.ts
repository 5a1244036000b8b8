import { jetstream, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, errors, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, inject } from 'vitest';

/** A connection to a server, with all its clients. */
export interface BrokerClients {
  readonly url: string;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly jsm: JetStreamManager;
}

export interface TestBroker extends BrokerClients, AsyncDisposable {}

/** A connection to the run's NATS server or another; disposing closes it. */
export async function connectTestBroker(url = inject('natsUrl')): Promise<TestBroker> {
  const connection = await connect({
    servers: url,
    // A test may kill its server, and start it again.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 100,
  });
  const client = jetstream(connection);
  return {
    url,
    connection,
    jetstream: client,
    jsm: await client.jetstreamManager(),
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}

/** The connection that the tests of a file share: made before the first, closed after the last. */
export function brokerOfFile(): BrokerClients {
  let broker: TestBroker | undefined;
  beforeAll(async () => {
    broker = await connectTestBroker();
  });
  afterAll(async () => {
    await broker?.[Symbol.asyncDispose]();
  });
  const connected = (): TestBroker => {
    if (broker === undefined) throw new Error('there is no connection outside of a test');
    return broker;
  };
  return {
    get url() {
      return connected().url;
    },
    get connection() {
      return connected().connection;
    },
    get jetstream() {
      return connected().jetstream;
    },
    get jsm() {
      return connected().jsm;
    },
  };
}

/** A manager that cannot read single messages; everything else is unchanged. */
export function withoutMessages({ jsm }: BrokerClients): JetStreamManager {
  const getMessage = (): Promise<never> => Promise.reject(new errors.TimeoutError());
  const streams: unknown = Object.create(jsm.streams, { getMessage: { value: getMessage } });
  return Object.create(jsm, { streams: { value: streams } }) as JetStreamManager;
}

/** A replica that has none of the messages yet answers direct reads. */
export function laggingReplica({ jsm }: BrokerClients): JetStreamManager {
  const getMessage = (): Promise<null> => Promise.resolve(null);
  const direct: unknown = Object.create(jsm.direct, { getMessage: { value: getMessage } });
  return Object.create(jsm, { direct: { value: direct } }) as JetStreamManager;
}
