import { mkdirSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  type Change,
  connectBroker,
  createPool,
  DEFAULT_CONFIG,
  describeChange,
  findBroker,
  type FleetConfig,
  type FleetFile,
  fleetFilePath,
  jetStreamManager,
  type Pool,
  RuntimeError,
} from '@memfleet/runtime';
import { tryLock } from '../../bootstrap/lock.mjs';
import type { Fleet, FleetOptions } from './options.ts';
import { isGiven, openServers, type Servers } from './servers.ts';
import { SupervisedWorker } from './worker.ts';

// Node, the connections and the first report take a second on a quiet machine.
const READY_SECONDS = 60;

/**
 * Starts servers and workers on the state folder and resolves when all of them are ready. None of them
 * outlives this process, however it ends.
 * @throws RuntimeError CONFIG_INVALID | FLEET_RUNNING | FLEET_FAILED, and errors of the servers
 */
export async function startFleet(given: FleetOptions): Promise<Fleet> {
  // Before anything starts: a mistake in the settings should show at once.
  // Loaded late: tests start servers from this package without ever starting a fleet.
  const fleet = await import('@memfleet/fleet');
  const { config } = await fleet.loadFleet({
    defaults: DEFAULT_CONFIG,
    file: given.configFile,
    env: given.env,
  });
  const names = fleet.workersOf(config);
  const unknown = Object.keys(given.workers ?? {}).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    throw new RuntimeError(
      'CONFIG_INVALID',
      `there is no worker ${unknown}; the workers of this fleet are: ${names.join(', ')}`,
    );
  }
  const stateDir = resolve(given.stateDir);
  const options = { ...given, stateDir };
  const logDir = join(stateDir, 'logs');
  mkdirSync(logDir, { recursive: true });
  const lock = lockState(stateDir);
  // The file of a fleet that was killed: another process may have its process id by now.
  rmSync(fleetFilePath(stateDir), { force: true });
  const workers: SupervisedWorker[] = [];
  let servers: Servers | undefined;
  const end = async (how: 'stop' | 'kill'): Promise<void> => {
    rmSync(fleetFilePath(stateDir), { force: true });
    await Promise.all(workers.map((worker) => worker[how]()));
    await servers?.stop();
    lock.release();
  };
  try {
    servers = await openServers(options, logDir);
    options.signal?.throwIfAborted();
    const pool = createPool(servers.databaseUrl, config.database, { name: 'fleet' });
    try {
      await provision(config, options, servers, pool);
      options.signal?.throwIfAborted();
      const programs = names.map((name) => [name, fleet.workerProgram(name)] as const);
      workers.push(...makeWorkers(programs, config, options, servers, logDir));
      options.onProgress?.(`starting the workers: ${workers.map(({ name }) => name).join(', ')}`);
      await Promise.all(workers.map((worker) => worker.start()));
      await allReady(workers, pool, options.signal);
    } finally {
      await pool.end();
    }
    await writeFleetFile(stateDir, servers);
  } catch (error) {
    await end('kill');
    throw error;
  }
  const { natsUrl, databaseUrl, embedded, failed } = servers;
  let ending: Promise<void> | undefined;
  return {
    natsUrl,
    databaseUrl,
    embedded,
    workers,
    logDir,
    failed,
    stop: () => (ending ??= end('stop')),
    kill: async () => {
      // Ends the processes that a graceful shutdown in progress still waits for.
      await Promise.all(workers.map((worker) => worker.kill()));
      await (ending ??= end('kill'));
    },
  };
}

function lockState(stateDir: string): { release: () => void } {
  const lock = tryLock(join(stateDir, 'fleet.lock'));
  if ('release' in lock) return lock;
  throw new RuntimeError(
    'FLEET_RUNNING',
    `a fleet already runs in ${stateDir} (process ${lock.owner})`,
  );
}

/** Streams, consumers and tables, as `memfleet provision` makes them. */
async function provision(
  config: FleetConfig,
  { env, stateDir, onProgress }: FleetOptions,
  { natsUrl }: Servers,
  pool: Pool,
): Promise<void> {
  const address = findBroker({ env: { ...env, NATS_URL: natsUrl }, stateDir });
  const connection = await connectBroker(address, config.broker, 'fleet');
  try {
    const { provisionFleet } = await import('@memfleet/fleet');
    const jsm = await jetStreamManager(connection, config.broker);
    const changes = await provisionFleet({ config, jsm, pool });
    onProgress?.(provisioned(changes));
  } finally {
    await connection.close();
  }
}

/** Counts what is new, and names what has changed. */
function provisioned(changes: readonly Change[]): string {
  if (changes.length === 0) return 'streams, consumers and tables are as configured';
  const created = Map.groupBy(
    changes.filter(({ action }) => action === 'create'),
    ({ kind }) => kind,
  );
  const counts = [...created].map(([kind, { length }]) => `${length} ${NOUNS[kind]}`);
  const others = changes.filter(({ action }) => action !== 'create').map(describeChange);
  return `provisioned ${[...counts, ...others].join(', ')}`;
}

const NOUNS: Readonly<Record<Change['kind'], string>> = {
  database: 'migrations',
  projection: 'projections',
  stream: 'streams',
  consumer: 'consumers',
};

function makeWorkers(
  programs: readonly (readonly [worker: string, program: readonly string[]])[],
  config: FleetConfig,
  options: FleetOptions,
  servers: Servers,
  logDir: string,
): SupervisedWorker[] {
  const { configFile, env, stateDir, onProgress, onWorkerLine } = options;
  const workerEnv: NodeJS.ProcessEnv = {
    ...env,
    NATS_URL: servers.natsUrl,
    DATABASE_URL: servers.databaseUrl,
    MEMFLEET_STATE: stateDir,
    ...(configFile === undefined ? {} : { MEMFLEET_CONFIG: resolve(configFile) }),
    // All of them are on this machine, where one fixed port serves one process.
    MEMFLEET_HEALTH_PORT: '0',
  };
  // An embedded server needs no credentials, and must not get those of another one.
  if (!isGiven(env, 'NATS_URL')) {
    delete workerEnv['NATS_CREDS'];
    delete workerEnv['NATS_CREDS_FILE'];
  }
  return programs.flatMap(([worker, program]) => {
    const count = options.workers?.[worker] ?? 1;
    return Array.from({ length: count }, (_, index) => {
      const name = count === 1 ? worker : `${worker}-${index + 1}`;
      return new SupervisedWorker({
        program,
        name,
        env: workerEnv,
        cwd: process.cwd(),
        logDir,
        // The worker's own drain comes first.
        graceSeconds: Math.ceil(config.workers.shutdownGrace / 1_000) + 5,
        onProgress,
        onLine: onWorkerLine === undefined ? undefined : (line) => onWorkerLine(name, line),
      });
    });
  });
}

/** A worker is ready when it has reported: it then has its connections and takes events. */
async function allReady(
  workers: readonly SupervisedWorker[],
  pool: Pool,
  signal: AbortSignal | undefined,
): Promise<void> {
  const ended = Promise.race(
    workers.map(async (worker) => {
      const reason = await worker.firstEnd;
      throw new RuntimeError(
        'FLEET_FAILED',
        `worker ${worker.name} ended at its start (${reason}); its log is ${worker.logFile}`,
      );
    }),
  );
  // Only the start waits for it; a later end is no error of the start.
  ended.catch(() => undefined);
  const deadline = performance.now() + READY_SECONDS * 1_000;
  for (;;) {
    signal?.throwIfAborted();
    const pids = workers.map((worker) => worker.pid ?? 0);
    const { rows } = await Promise.race([
      pool.query<{ pid: number }>({
        name: 'fleet-ready',
        text: `select distinct pid from memfleet.worker_reports
               where pid = any($1::int[]) and reported_at > now() - interval '1 minute'`,
        values: [pids],
      }),
      ended,
    ]);
    if (rows.length === workers.length) return;
    if (performance.now() > deadline) {
      const missing = workers.find(({ pid }) => !rows.some((row) => row.pid === pid));
      throw new RuntimeError(
        'FLEET_FAILED',
        `worker ${missing?.name ?? ''} was not ready after ${READY_SECONDS} s; its log is ${missing?.logFile ?? ''}`,
      );
    }
    await Promise.race([delay(25), ended]);
  }
}

/** Readers see the whole file or none. It holds the database's password. */
async function writeFleetFile(stateDir: string, { natsUrl, databaseUrl }: Servers): Promise<void> {
  const content: FleetFile = { pid: process.pid, natsUrl, databaseUrl, consoleUrl: null };
  const path = fleetFilePath(stateDir);
  const draft = `${path}.${process.pid}`;
  await writeFile(draft, `${JSON.stringify(content)}\n`, { mode: 0o600 });
  await rename(draft, path);
}
