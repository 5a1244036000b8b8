import { setTimeout as wait } from 'node:timers/promises';
import { RuntimeError } from '@memfleet/runtime';
import { freePort } from '../free-port.ts';
import { leash, type Leashed } from '../leash.ts';
import type { LocalServer } from '../server.ts';
import type { Cluster } from './cluster.ts';
import { postgresUrl, prepareDatabase } from './database.ts';
import type { PostgresStart } from './options.ts';
import { awaitPrevious, isReady } from './previous.ts';
import { idsOf, type RunUser } from './run-user.ts';
import { settingArgs } from './settings.ts';

// Crash recovery of a busy database reads up to max_wal_size.
const startSeconds = 120;
// Fast shutdown ends all sessions and writes a checkpoint.
const graceSeconds = 20;
const host = '127.0.0.1';

/** Starts the postgres program on a cluster. */
export async function startPostgresBinary(
  program: string,
  cluster: Cluster,
  user: RunUser | undefined,
  start: PostgresStart,
): Promise<LocalServer> {
  await awaitPrevious(cluster.pgdata, start.onProgress);
  const { port, server } = await startOnSomePort(program, cluster, user, start);
  try {
    const url = postgresUrl(cluster.password, host, port);
    const version = await prepareDatabase(url);
    const { pid, exited, stop, kill } = server;
    return { url, port, version, pid, exited, stop, kill };
  } catch (error) {
    await server.kill();
    throw error;
  }
}

async function startOnSomePort(
  program: string,
  cluster: Cluster,
  user: RunUser | undefined,
  start: PostgresStart,
): Promise<{ port: number; server: Leashed }> {
  // PostgreSQL cannot choose a port itself, and a free one may be taken before it opens it.
  for (let attempts = 1; ; attempts++) {
    const port = start.port ?? (await freePort(host));
    const server = await launch(program, cluster.pgdata, port, user, start);
    const state = await readyOrEnded(server, cluster.pgdata);
    if (state === 'ready') return { port, server };
    const taken = server.lastLines().includes('could not bind');
    if (taken && start.port === undefined && attempts < 5) continue;
    throw new RuntimeError(
      'SERVER_FAILED',
      `PostgreSQL ended at its start (${state}); its last lines:\n${server.lastLines()}`,
    );
  }
}

function launch(
  program: string,
  pgdata: string,
  port: number,
  user: RunUser | undefined,
  { settings, log }: PostgresStart,
): Promise<Leashed> {
  return leash({
    command: program,
    args: [
      '-D',
      pgdata,
      '-h',
      host,
      '-p',
      String(port),
      // No socket file: its path has a length limit that a data folder easily exceeds.
      '-k',
      '',
      ...settingArgs(settings),
    ],
    // Fast shutdown: sessions are ended, not waited for.
    stopSignal: 'SIGINT',
    graceSeconds,
    user: idsOf(user),
    onLine: log,
  });
}

/** Resolves to 'ready', or to the reason for the end. */
async function readyOrEnded(server: Leashed, pgdata: string): Promise<string> {
  const deadline = performance.now() + startSeconds * 1000;
  const ended = server.exited.then(({ reason }) => reason);
  for (;;) {
    if (await isReady(pgdata, server.pid)) return 'ready';
    if (performance.now() > deadline) {
      await server.kill();
      return `not ready after ${startSeconds} s`;
    }
    const reason = await Promise.race([ended, wait(10)]);
    if (reason !== undefined) return reason;
  }
}
