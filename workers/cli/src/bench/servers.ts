import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type LocalServer,
  removePostgresData,
  startNatsServer,
  startPostgres,
} from '@memfleet/local';
import { findConnections, RuntimeError } from '@memfleet/runtime';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';

/** A broker and a database to measure on. */
export interface BenchServers extends AsyncDisposable {
  /** The environment in which this process and the workers find them. */
  readonly env: NodeJS.ProcessEnv;
  readonly databaseUrl: string;
}

const NAMING = ['NATS_URL', 'NATS_URL_FILE', 'DATABASE_URL', 'DATABASE_URL_FILE'] as const;

/** The configured servers, those of the fleet in this folder, or embedded ones for the bench's duration. */
export async function openBenchServers(globals: Globals): Promise<BenchServers> {
  const { env } = process;
  try {
    const { databaseUrl } = findConnections({ env, ...globals });
    return { env, databaseUrl, [Symbol.asyncDispose]: () => Promise.resolve() };
  } catch (error) {
    const isNamed = globals.context !== undefined || NAMING.some((name) => env[name]);
    if (isNamed || !(error instanceof RuntimeError)) throw error;
  }
  return await startServers();
}

async function startServers(): Promise<BenchServers> {
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-bench-'));
  const postgresDir = join(folder, 'postgres');
  const started: LocalServer[] = [];
  const end = async (): Promise<void> => {
    await Promise.all(started.map((server) => server.stop()));
    await removePostgresData(postgresDir);
    await rm(folder, { recursive: true, force: true });
  };
  const kept = async (starting: Promise<LocalServer>): Promise<LocalServer> => {
    const server = await starting;
    started.push(server);
    return server;
  };
  const all = await Promise.allSettled([
    kept(startNatsServer({ dataDir: join(folder, 'nats'), onProgress })),
    kept(startPostgres({ dataDir: postgresDir, onProgress })),
  ]);
  const [nats, postgres] = all.map((each) =>
    each.status === 'fulfilled' ? each.value : undefined,
  );
  if (nats === undefined || postgres === undefined) {
    await end();
    throw all.find((each) => each.status === 'rejected')?.reason;
  }
  return {
    env: { ...process.env, NATS_URL: nats.url },
    databaseUrl: postgres.url,
    [Symbol.asyncDispose]: end,
  };
}

function onProgress(message: string): void {
  note(`memfleet: ${message}`);
}
