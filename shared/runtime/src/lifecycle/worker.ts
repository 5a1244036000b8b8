import { hostname } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CodedError } from '@memfleet/events';
import { jetstream, type JetStreamClient, type JetStreamManager } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { connectBroker } from '../broker/connect.ts';
import { isTransientBrokerError } from '../broker/transient.ts';
import { findConnections } from '../config/connections.ts';
import type { ConfigSources } from '../config/load.ts';
import type { FleetConfig } from '../config/schema.ts';
import type { Pool } from '../database/connection.ts';
import { checkMigrated } from '../database/migrate.ts';
import { checkDatabase, createPool } from '../database/pool.ts';
import { isTransientDatabaseError, retryTransient } from '../database/transaction.ts';
import { messageOf, RuntimeError } from '../errors.ts';
import { createLogger, type Logger } from '../observe/log.ts';
import { Backlog } from './backlog.ts';
import { serveHealth } from './health.ts';
import { Progress } from './progress.ts';
import { type Identity, Reporter } from './reporter.ts';
import { startWatchdog } from './watchdog.ts';

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
  /** Connections beside those of `pool`, for what must not wait for its turn there; closed with them. */
  connectMore(name: string, settings: FleetConfig['database']): Pool;
  /**
   * Repeats what is asked of the servers at the start until they answer: one may be restarting, and a
   * worker that ends for it would be started again and again.
   */
  answered<Answer>(ask: () => Promise<Answer>): Promise<Answer>;
  /** Says how many events wait, whenever health asks. */
  watchBacklog(ask: () => Promise<number>): void;
}

/** What a shutdown step may take when the other end does not answer. */
const CLOSE_LIMIT_MS = 2_000;

/**
 * The life of a worker process, whatever it works on: configuration, connections, health, reports,
 * signals, drain, exit code. Exits 0 after a drain, 1 when the work failed, threw what nobody caught or
 * did not end within the grace period, 2 on bad configuration.
 */
export async function runWorker(
  worker: string,
  load: (sources: ConfigSources) => Promise<FleetConfig>,
  work: (context: WorkerContext) => Promise<void>,
): Promise<never> {
  const instance = `${worker}-${hostname()}-${process.pid}-${Date.now().toString(36)}`;
  let log = createLogger({ worker, level: 'info', instance });
  const progress = new Progress();
  const { signal: stop, begin: beginStop } = stopSignal(progress, (why) =>
    log.info({ why }, 'stopping: finishing what is held, taking nothing new'),
  );
  let hasFailed = false;
  onUncaught((error) => {
    log.fatal(
      { error },
      'an error that nothing caught: the process ends, what it holds is finished',
    );
    // One fault often shows twice. What is held is finished all the same; the grace period bounds it.
    hasFailed = true;
    beginStop('an error that nothing caught');
  });
  try {
    const { env } = process;
    const file = env['MEMFLEET_CONFIG'];
    const config = await load({ defaults: DEFAULT_CONFIG, file, env });
    log = createLogger({ worker, level: config.logging.level, instance });
    exitAfterGrace(stop, config.workers.shutdownGrace, log);
    await live({ worker, instance, config, log, progress, stop, beginStop }, work).catch(
      (error: unknown) => {
        if (!(error instanceof StoppedAtStart)) throw error;
      },
    );
    log.info('stopped');
    return end(hasFailed ? 1 : 0);
  } catch (error) {
    if (error instanceof CodedError) {
      log.fatal({ code: error.code, hint: error.hint }, error.message);
      return end(error.code === 'CONFIG_INVALID' ? 2 : 1);
    }
    log.fatal({ error }, 'the worker failed');
    return end(1);
  }
}

/** Nothing was taken yet, so there is nothing to finish. */
class StoppedAtStart extends Error {}

interface Life {
  readonly worker: string;
  readonly instance: string;
  readonly config: FleetConfig;
  readonly log: Logger;
  readonly progress: Progress;
  readonly stop: AbortSignal;
  readonly beginStop: (why: string) => void;
}

async function live(
  { worker, instance, config, log, progress, stop, beginStop }: Life,
  work: (context: WorkerContext) => Promise<void>,
): Promise<void> {
  const { env } = process;
  const { broker, databaseUrl } = findConnections({
    env,
    context: env['MEMFLEET_CONTEXT'],
    stateDir: env['MEMFLEET_STATE'] ?? '.memfleet',
  });
  const pools: Pool[] = [];
  const connectTo = (name: string, settings: FleetConfig['database']): Pool => {
    const made = createPool(databaseUrl, settings, {
      name,
      onError: (error) => {
        progress.troubled('database', error.message);
        log.warn({ reason: error.message }, 'a database connection broke, another will be made');
      },
    });
    pools.push(made);
    return made;
  };
  const pool = connectTo(worker, config.database);
  const answered: WorkerContext['answered'] = async (ask) =>
    await retryTransient(ask, {
      signal: stop,
      isTransient: (error) => isTransientBrokerError(error) || isTransientDatabaseError(error),
      onRetry: (error) => {
        progress.troubled('start', messageOf(error));
        log.warn({ reason: messageOf(error) }, 'no answer at the start, trying again');
      },
    }).catch((error: unknown) => {
      throw stop.aborted ? new StoppedAtStart() : error;
    });
  await checkDatabase(pool, databaseUrl);
  await answered(() => checkMigrated(pool));
  const connection = await connectBroker(broker, config.broker, worker);
  watchConnection(connection, progress, log);
  const client = jetstream(connection, { timeout: config.broker.requestTimeout });
  const jsm = await client.jetstreamManager(false);

  const backlog = new Backlog(progress);
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
  const watchdog = startWatchdog(config.workers.blockedAfter, worker);
  log.info({ health: health.url, pid: process.pid }, 'started');
  progress.started();
  let isOver = false;
  let refusal: { readonly error: unknown } | undefined;
  try {
    void closedForGood(connection).catch((error: unknown) => {
      if (isOver) return;
      // What is held can still be recorded: a call that is under way must not be paid for twice.
      refusal = { error };
      beginStop('NATS closed the connection');
    });
    const working = work({
      config,
      connection,
      jetstream: client,
      jsm,
      pool,
      log,
      progress,
      instance,
      signal: stop,
      connectMore: (name, settings) => connectTo(`${worker} ${name}`, settings),
      answered,
      watchBacklog: (ask) => backlog.watch(ask, log),
    });
    await working.catch((error: unknown) => {
      // What a work that lost its connection says is no reason of its own.
      throw refusal === undefined ? error : refusal.error;
    });
    if (refusal !== undefined) throw refusal.error;
  } finally {
    isOver = true;
    await within(CLOSE_LIMIT_MS, backlog.stop());
    await watchdog.stop();
    await within(CLOSE_LIMIT_MS, reporter.stop());
    await health.close();
    // Flushes the last acks before it closes.
    await within(CLOSE_LIMIT_MS, connection.drain());
    await within(CLOSE_LIMIT_MS, Promise.all(pools.map((each) => each.end())));
  }

  /** Waits for a step of the shutdown, but not for ever: the other end may be gone. */
  async function within(limitMs: number, step: Promise<unknown>): Promise<void> {
    const over = new AbortController();
    const limit = delay(limitMs, undefined, { signal: over.signal }).catch(() => undefined);
    const done = step.catch((error: unknown) => log.debug({ reason: messageOf(error) }, 'closing'));
    await Promise.race([done, limit]);
    over.abort();
  }
}

/** Aborts when the process should end; a second signal does not cut the drain short. */
function stopSignal(
  progress: Progress,
  onStop: (why: string) => void,
): { readonly signal: AbortSignal; readonly begin: (why: string) => void } {
  const stop = new AbortController();
  const begin = (why: string): void => {
    if (stop.signal.aborted) return;
    onStop(why);
    progress.stopping();
    stop.abort();
  };
  process.on('SIGTERM', () => begin('SIGTERM'));
  process.on('SIGINT', () => begin('SIGINT'));
  // Started by `memfleet up`, a worker must not outlive it, however it ended.
  if (process.channel !== undefined) process.on('disconnect', () => begin('the fleet is gone'));
  return { signal: stop.signal, begin };
}

/**
 * The net under the worker: a promise that nobody waits for, a callback that throws. Node would end the
 * process on the spot, with a stack for a message, and every call under way would be made again.
 */
function onUncaught(tell: (error: unknown) => void): void {
  process.on('uncaughtException', tell);
  process.on('unhandledRejection', tell);
}

/** Whatever still hangs at the end of the grace period does not keep the process. */
function exitAfterGrace(stop: AbortSignal, graceMs: number, log: Logger): void {
  const begin = (): void => {
    const timer = setTimeout(() => {
      log.fatal({ graceMs }, 'not done within the grace period, what is left is redelivered');
      end(1);
    }, graceMs);
    timer.unref();
  };
  if (stop.aborted) begin();
  else stop.addEventListener('abort', begin, { once: true });
}

/** The exit code is the last word of a worker, and handlers that hang must not withhold it. */
function end(code: number): never {
  // oxlint-disable-next-line unicorn/no-process-exit -- the one place where a worker ends
  process.exit(code);
}

/** The client reconnects for ever, unless it is refused: then there is nothing more to wait for. */
async function closedForGood(connection: NatsConnection): Promise<never> {
  const reason = await connection.closed();
  throw new RuntimeError(
    'BROKER_REFUSED',
    `NATS closed the connection: ${reason === undefined ? 'no reason given' : messageOf(reason)}`,
    reason,
  );
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
