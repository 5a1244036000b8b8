import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { messageOf, RuntimeError } from '../errors.ts';
import { readFleetFile } from './fleet-file.ts';

/** The broker's address and credentials. */
export interface BrokerAddress {
  /** One URL or several, comma-separated; it may contain user and password. */
  readonly url: string;
  /** A credentials file's path, or its text. */
  readonly credentials?: string | undefined;
  readonly token?: string | undefined;
  readonly tls?: {
    readonly caFile?: string;
    readonly certFile?: string;
    readonly keyFile?: string;
  };
}

/** The addresses of the fleet's broker and database. */
export interface Connections {
  readonly broker: BrokerAddress;
  readonly databaseUrl: string;
}

export interface ConnectionSources {
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Name of a NATS context, as the `nats` tool keeps them. */
  readonly context?: string | undefined;
  /** Folder in which `memfleet up` records the fleet it started. */
  readonly stateDir: string;
}

/**
 * Looks in the environment (or the files it names), then in the NATS context, then for the fleet that
 * `memfleet up` runs in the state folder.
 * @throws RuntimeError BROKER_UNREACHABLE | DATABASE_UNREACHABLE when it finds none
 */
export function findConnections(sources: ConnectionSources): Connections {
  const fleet = readFleetFile(sources.stateDir);
  const databaseUrl = variable(sources.env, 'DATABASE_URL') ?? fleet?.databaseUrl;
  if (databaseUrl === undefined) {
    throw new RuntimeError(
      'DATABASE_UNREACHABLE',
      `no DATABASE_URL is set and no fleet runs in ${sources.stateDir}`,
    );
  }
  return { broker: findBroker(sources), databaseUrl };
}

/** @throws RuntimeError BROKER_UNREACHABLE */
export function findBroker(sources: ConnectionSources): BrokerAddress {
  const { env, context, stateDir } = sources;
  if (context !== undefined) return natsContext(context, env);
  const url = variable(env, 'NATS_URL') ?? readFleetFile(stateDir)?.natsUrl;
  if (url === undefined) {
    throw new RuntimeError(
      'BROKER_UNREACHABLE',
      `no NATS_URL is set and no fleet runs in ${stateDir}`,
    );
  }
  const credentials = variable(env, 'NATS_CREDS');
  return { url, ...(credentials === undefined ? {} : { credentials }) };
}

/** A variable, or the content of the file that its *_FILE sibling names. */
function variable(env: ConnectionSources['env'], name: string): string | undefined {
  const direct = env[name];
  if (direct !== undefined && direct !== '') return direct;
  const file = env[`${name}_FILE`];
  if (file === undefined || file === '') return undefined;
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `${name}_FILE cannot be read: ${messageOf(error)}`,
      error,
    );
  }
}

const text = z
  .string()
  .transform((value) => (value === '' ? undefined : value))
  .optional();
const contextSchema = z.looseObject({
  url: text,
  user: text,
  password: text,
  token: text,
  creds: text,
  ca: text,
  cert: text,
  key: text,
});

function natsContext(name: string, env: ConnectionSources['env']): BrokerAddress {
  const base = env['XDG_CONFIG_HOME'] ?? join(homedir(), '.config');
  const path = join(base, 'nats', 'context', `${name}.json`);
  let context: z.output<typeof contextSchema>;
  try {
    context = contextSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `NATS context ${name} cannot be read from ${path}: ${messageOf(error)}`,
      error,
    );
  }
  const { user, password, token, creds, ca, cert, key } = context;
  const url = context.url ?? 'nats://127.0.0.1:4222';
  const tls = {
    ...(ca === undefined ? {} : { caFile: ca }),
    ...(cert === undefined ? {} : { certFile: cert }),
    ...(key === undefined ? {} : { keyFile: key }),
  };
  return {
    url: user === undefined ? url : withUser(url, user, password ?? ''),
    ...(token === undefined ? {} : { token }),
    ...(creds === undefined ? {} : { credentials: creds }),
    ...(Object.keys(tls).length === 0 ? {} : { tls }),
  };
}

function withUser(url: string, user: string, password: string): string {
  const parsed = new URL(url.includes('://') ? url : `nats://${url}`);
  parsed.username = user;
  parsed.password = password;
  return parsed.href;
}
