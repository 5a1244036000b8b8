import { join } from 'node:path';
import { findBroker, findConnections } from '@memfleet/runtime';
import { startNatsServer } from '../nats/start.ts';
import { startPostgres } from '../postgres/start.ts';
import type { LocalServer } from '../server.ts';
import { LogFile } from './log-file.ts';
import type { FleetOptions } from './options.ts';
import { keepPorts, keptPorts } from './ports.ts';

/** NATS and PostgreSQL of a fleet: embedded, or those that the environment names. */
export interface Servers {
  readonly natsUrl: string;
  readonly databaseUrl: string;
  readonly embedded: { readonly nats: boolean; readonly postgres: boolean };
  /** Settles when an embedded server ends by itself, with one sentence. */
  readonly failed: Promise<string>;
  readonly stop: () => Promise<void>;
}

/** @throws RuntimeError SERVER_NOT_FOUND | SERVER_FAILED | DATA_IN_USE | DATA_OF_OTHER_VERSION */
export async function openServers(
  { stateDir, env, durable, onProgress }: FleetOptions,
  logDir: string,
): Promise<Servers> {
  const ports = await keptPorts(stateDir);
  const logs: LogFile[] = [];
  const logTo = (name: string): ((line: string) => void) => {
    const log = new LogFile(join(logDir, `${name}.log`));
    logs.push(log);
    return (line) => log.write(line);
  };
  const starting = await Promise.allSettled([
    isGiven(env, 'NATS_URL')
      ? undefined
      : startNatsServer({
          dataDir: join(stateDir, 'nats'),
          port: ports.nats,
          log: logTo('nats'),
          onProgress,
        }),
    isGiven(env, 'DATABASE_URL')
      ? undefined
      : startPostgres({
          dataDir: join(stateDir, 'postgres'),
          port: ports.postgres,
          durable,
          log: logTo('postgres'),
          onProgress,
        }),
  ]);
  const [nats, postgres] = starting.map((server) =>
    server.status === 'fulfilled' ? server.value : undefined,
  );
  const running = [nats, postgres].filter((server) => server !== undefined);
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((server) => server.stop()));
    for (const log of logs) log.end();
  };
  try {
    for (const server of starting) if (server.status === 'rejected') throw server.reason;
    await keepPorts(stateDir, {
      ...(nats === undefined ? {} : { nats: nats.port }),
      ...(postgres === undefined ? {} : { postgres: postgres.port }),
    });
    return {
      ...whereTheyAre(env, stateDir, nats, postgres),
      embedded: { nats: nats !== undefined, postgres: postgres !== undefined },
      failed: Promise.race([
        endOf('nats-server', nats, join(logDir, 'nats.log')),
        endOf('PostgreSQL', postgres, join(logDir, 'postgres.log')),
      ]),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

function whereTheyAre(
  env: NodeJS.ProcessEnv,
  stateDir: string,
  nats: LocalServer | undefined,
  postgres: LocalServer | undefined,
): { natsUrl: string; databaseUrl: string } {
  const natsUrl = nats?.url ?? findBroker({ env, stateDir }).url;
  const databaseUrl =
    postgres?.url ?? findConnections({ env: { ...env, NATS_URL: natsUrl }, stateDir }).databaseUrl;
  return { natsUrl, databaseUrl };
}

/** A variable, or the file that its *_FILE sibling names. */
export function isGiven(env: NodeJS.ProcessEnv, name: string): boolean {
  return Boolean(env[name]) || Boolean(env[`${name}_FILE`]);
}

async function endOf(
  name: string,
  server: LocalServer | undefined,
  logFile: string,
): Promise<string> {
  const end = await server?.exited;
  // We do not watch a server that was given, and a server that was stopped has not failed.
  if (end === undefined || end.wanted) return await Promise.withResolvers<never>().promise;
  return `${name} ended by itself (${end.reason}); its log is ${logFile}`;
}
