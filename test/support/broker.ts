import { jetstream, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { inject } from 'vitest';

export interface TestBroker extends AsyncDisposable {
  readonly url: string;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly jsm: JetStreamManager;
}

/** A connection to the run's NATS server or another, closed when it is disposed of. */
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
