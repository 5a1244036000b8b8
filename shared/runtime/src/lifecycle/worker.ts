import { hostname } from 'node:os';
import { fileURLToPath } from 'node:url';
import { CodedError } from '@memfleet/events';
import { jetstream, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBroker } from '../broker/connect.ts';
import { findConnections } from '../config/connections.ts';
import { loadConfig } from '../config/load.ts';
import type { FleetConfig } from '../config/schema.ts';
import { checkMigrated } from '../database/migrate.ts';
import { checkDatabase, createPool, type Pool } from '../database/pool.ts';
import { messageOf } from '../errors.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { serveHealth } from './health.ts';
import { Progress } from './progress.ts';
import { type Identity, Reporter } from './reporter.ts';

/** The file with every default and its reason. */
export const DEFAULT_CONFIG = fileURLToPath(
  new URL('../../../../config/fleet.yaml', import.meta.url),
);

export interface WorkerContext {
  readonly config: FleetConfig;
  readonly connection: NatsConnection;
  readonly jetstream: JetStreamClient;
  readonly jsm: JetStreamManager;
  readonly pool: Pool;
  readonly log: Logger;
  readonly progress: Progress;
  /** Unique to this process; owner of its leases. */
  readonly instance: string;
  /** Aborts on SIGTERM, SIGINT, and when the process that started this one is gone. */
  readonly signal: AbortSignal;
  /** Says how many events wait, whenever health asks. */
  watchBacklog(ask: () => Promise<number>): void;
}

const BACKLOG_INTERVAL_MS = 2_000;

/**
 * The life of a worker process, whatever it works on: configuration, connections, health, reports,
 * signals, drain, exit code. Exits 0 after a drain, 1 when the work failed, 2 on bad configuration.
 */
export async function runWorker(
  worker: string,
  work: (context: WorkerContext) => Promise<void>,
): Promise<never> {
  const instance = `${worker}-${hostname()}-${process.pid}-${Date.now().toString(36)}`;
  let log = createLogger({ worker, level: 'info', instance });
  try {
    const { env } = process;
    const config = loadConfig({ defaults: DEFAULT_CONFIG, file: env['MEMFLEET_CONFIG'], env });
    log = createLogger({ worker, level: config.logging.level, instance });
    await live(worker, instance, config, log, work);
    log.info('stopped');
    process.exit(0);
  } catch (error) {
    if (error instanceof CodedError) {
      log.fatal({ code: error.code, hint: error.hint }, error.message);
      process.exit(error.code === 'CONFIG_INVALID' ? 2 : 1);
    }
    log.fatal({ error }, 'the worker failed');
    process.exit(1);
  }
}

async function live(
  worker: string,
  instance: string,
  config: FleetConfig,
  log: Logger,
  work: (context: WorkerContext) => Promise<void>,
): Promise<void> {
  const { env } = process;
  const { broker, databaseUrl } = findConnections({
    env,
    stateDir: env['MEMFLEET_STATE'] ?? '.memfleet',
  });
  const progress = new Progress();
  const pool = createPool(databaseUrl, config.database, {
    name: worker,
    onError: (error) => {
      progress.troubled('database', error.message);
      log.warn({ reason: error.message }, 'a database connection broke, another will be made');
    },
  });
  await checkDatabase(pool, databaseUrl);
  await checkMigrated(pool);
  const connection = await connectBroker(broker, config.broker, worker);
  watchConnection(connection, progress, log);
  const client = jetstream(connection, { timeout: config.broker.requestTimeout });
  const jsm = await client.jetstreamManager(false);
  const stop = stopSignal(log, progress);

  const backlog = new Backlog();
  const health = await serveHealth(
    { worker, progress, stalledAfterMs: config.workers.stalledAfter, backlog: () => backlog.count },
    config.health,
  );
  const identity: Identity = {
    instance,
    worker,
    host: hostname(),
    pid: process.pid,
    healthUrl: health.url,
  };
  const reporter = new Reporter(pool, identity, progress, log);
  await reporter.report();
  reporter.start(config.workers.report);
  log.info({ health: health.url, pid: process.pid }, 'started');
  progress.started();
  try {
    await work({
      config,
      connection,
      jetstream: client,
      jsm,
      pool,
      log,
      progress,
      instance,
      signal: stop,
      watchBacklog: (ask) => backlog.watch(ask, log),
    });
  } finally {
    backlog.stop();
    await reporter.stop();
    await health.close();
    // Flushes the last acks before it closes.
    await connection
      .drain()
      .catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'drain'));
    await pool.end();
  }
}

class Backlog {
  count: number | undefined;
  #timer: NodeJS.Timeout | undefined;

  watch(ask: () => Promise<number>, log: Logger): void {
    const once = async (): Promise<void> => {
      try {
        this.count = await ask();
      } catch (error) {
        this.count = undefined;
        log.debug({ reason: messageOf(error) }, 'the backlog is not known');
      }
    };
    this.#timer = setInterval(() => void once(), BACKLOG_INTERVAL_MS);
    void once();
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}

/** Aborts when the process should end; a second signal does not cut the drain short. */
function stopSignal(log: Logger, progress: Progress): AbortSignal {
  const stop = new AbortController();
  const end = (why: string): void => {
    if (stop.signal.aborted) return;
    log.info({ why }, 'stopping: finishing what is held, taking nothing new');
    progress.stopping();
    stop.abort();
  };
  process.on('SIGTERM', () => end('SIGTERM'));
  process.on('SIGINT', () => end('SIGINT'));
  // Started by `memfleet up`, a worker must not outlive it, however it ended.
  if (process.channel !== undefined) process.on('disconnect', () => end('the fleet is gone'));
  return stop.signal;
}

function watchConnection(connection: NatsConnection, progress: Progress, log: Logger): void {
  void (async () => {
    for await (const status of connection.status()) {
      if (status.type === 'disconnect' || status.type === 'staleConnection') {
        progress.troubled('broker', 'the connection is lost');
        log.warn('the connection to NATS is lost, reconnecting');
      } else if (status.type === 'reconnect') {
        log.info('the connection to NATS is back');
      } else if (status.type === 'error') {
        log.warn({ reason: messageOf(status.error) }, 'NATS reported an error');
      }
    }
  })();
}
