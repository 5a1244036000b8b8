import { readFileSync } from 'node:fs';
import {
  connect,
  type ConnectionOptions,
  credsAuthenticator,
  type NatsConnection,
} from '@nats-io/transport-node';
import type { BrokerAddress } from '../config/connections.ts';
import type { FleetConfig } from '../config/schema.ts';
import { messageOf, RuntimeError } from '../errors.ts';

/**
 * The oldest server that supports everything used here: consumer reset, atomic batches whose messages
 * keep their Msg-Id, and the fixes for both.
 */
export const MINIMUM_SERVER = '2.14.4';

/**
 * Connects, and from then on reconnects for ever: the health check decides whether that is progress.
 * @throws RuntimeError BROKER_UNREACHABLE | BROKER_REFUSED | BROKER_TOO_OLD
 */
export async function connectBroker(
  address: BrokerAddress,
  settings: FleetConfig['broker'],
  name: string,
): Promise<NatsConnection> {
  let connection: NatsConnection;
  try {
    connection = await connect({
      ...authentication(address),
      name: `memfleet ${name}`,
      timeout: settings.connectTimeout,
      pingInterval: settings.pingInterval,
      maxPingOut: 2,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 250,
      reconnectJitter: 250,
      // Capturing an Error with its stack for every request costs more than the request.
      noAsyncTraces: true,
    });
  } catch (error) {
    const message = messageOf(error);
    const refused = /authorization|authentication|permission|expired/i.test(message);
    throw new RuntimeError(
      refused ? 'BROKER_REFUSED' : 'BROKER_UNREACHABLE',
      `NATS at ${redactServers(address.url)} ${refused ? 'refused the connection' : 'does not answer'}: ${message}`,
      error,
    );
  }
  const version = connection.info?.version ?? '0.0.0';
  if (!isAtLeast(version, MINIMUM_SERVER)) {
    await connection.close();
    throw new RuntimeError(
      'BROKER_TOO_OLD',
      `nats-server at ${redactServers(address.url)} is version ${version}; memfleet needs ${MINIMUM_SERVER} or newer`,
    );
  }
  return connection;
}

export function isAtLeast(version: string, minimum: string): boolean {
  const [have, need] = [numbers(version), numbers(minimum)];
  for (const [index, wanted] of need.entries()) {
    const found = have[index] ?? 0;
    if (found !== wanted) return found > wanted;
  }
  return true;
}

function numbers(version: string): number[] {
  const [release = ''] = version.split('-');
  return release.split('.').map((part) => Number.parseInt(part, 10) || 0);
}

function authentication(address: BrokerAddress): ConnectionOptions {
  const urls = address.url.split(',').map((url) => url.trim());
  const first = parse(urls[0] ?? '');
  const user = decodeURIComponent(first?.username ?? '');
  const pass = decodeURIComponent(first?.password ?? '');
  const { credentials, token, tls } = address;
  return {
    servers: urls.map((url) => withoutCredentials(url)),
    ...(user === '' ? {} : pass === '' ? { token: user } : { user, pass }),
    ...(token === undefined ? {} : { token }),
    ...(credentials === undefined
      ? {}
      : { authenticator: credsAuthenticator(Buffer.from(credentialsText(credentials))) }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function credentialsText(credentials: string): string {
  if (credentials.includes('BEGIN NATS USER JWT')) return credentials;
  try {
    return readFileSync(credentials, 'utf8');
  } catch (error) {
    throw new RuntimeError(
      'BROKER_REFUSED',
      `the NATS credentials cannot be read: ${messageOf(error)}`,
    );
  }
}

/** The dialled address for messages, without user and password. */
export function redactServers(url: string): string {
  return url.split(',').map(withoutCredentials).join(',');
}

function withoutCredentials(url: string): string {
  const parsed = parse(url);
  if (parsed === undefined) return url;
  return parsed.protocol === 'nats:' ? parsed.host : `${parsed.protocol}//${parsed.host}`;
}

function parse(url: string): URL | undefined {
  const text = url.includes('://') ? url.trim() : `nats://${url.trim()}`;
  return URL.canParse(text) ? new URL(text) : undefined;
}
