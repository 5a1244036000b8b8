import {
  type ConsumerInfo,
  jetstream,
  JetStreamApiError,
  type JetStreamManager,
  type StreamInfo,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FleetConfig } from '../config/schema.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import { isTransientBrokerError } from './transient.ts';

export type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';

const STREAM_NOT_FOUND = 10059;
const CONSUMER_NOT_FOUND = 10014;

/** The administrator's view of streams and durables, without querying the server's account. */
export async function jetStreamManager(
  connection: NatsConnection,
  settings: FleetConfig['broker'],
): Promise<JetStreamManager> {
  return await jetstream(connection, { timeout: settings.requestTimeout }).jetstreamManager(false);
}

/** @throws RuntimeError STREAM_MISSING | BROKER_UNREACHABLE | BROKER_REFUSED */
export async function streamInfo(jsm: JetStreamManager, stream: string): Promise<StreamInfo> {
  try {
    return await jsm.streams.info(stream);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === STREAM_NOT_FOUND) {
      throw new RuntimeError('STREAM_MISSING', `stream ${stream} does not exist`, error);
    }
    throw refused(`stream ${stream}`, error);
  }
}

/** @throws RuntimeError CONSUMER_MISSING | BROKER_UNREACHABLE | BROKER_REFUSED */
export async function consumerInfo(
  jsm: JetStreamManager,
  stream: string,
  durable: string,
): Promise<ConsumerInfo> {
  try {
    return await jsm.consumers.info(stream, durable);
  } catch (error) {
    if (error instanceof JetStreamApiError && error.code === CONSUMER_NOT_FOUND) {
      const message = `consumer ${durable} does not exist on stream ${stream}`;
      throw new RuntimeError('CONSUMER_MISSING', message, error);
    }
    throw refused(`consumer ${durable}`, error);
  }
}

function refused(what: string, error: unknown): RuntimeError {
  return new RuntimeError(
    isTransientBrokerError(error) ? 'BROKER_UNREACHABLE' : 'BROKER_REFUSED',
    `NATS gives no information about ${what}: ${messageOf(error)}`,
    error,
  );
}
