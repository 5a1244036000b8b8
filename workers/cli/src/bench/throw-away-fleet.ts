import { randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { Publisher } from '@memfleet/events';
import { provisionFleet, loadConfig, type BuiltInConfig } from '@memfleet/fleet';
import {
  connectBroker,
  createPool,
  DEFAULT_CONFIG,
  findBroker,
  jetStreamManager,
} from '@memfleet/runtime';
import { type Fleet, readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import type { BenchServers } from './servers.ts';

/** A fleet with its own names, in its own database; disposing deletes both. */
export interface ThrowAwayFleet extends Fleet {
  /** The environment of its worker processes. */
  readonly env: NodeJS.ProcessEnv;
  readonly publisher: Publisher;
}

/** `settings` are variables, such as MEMFLEET_STAGES_EXTRACTION_CONCURRENCY. */
export async function createThrowAwayFleet(
  globals: Globals,
  servers: BenchServers,
  settings: Readonly<Record<string, string>> = {},
): Promise<ThrowAwayFleet> {
  const suffix = randomUUID().slice(0, 8);
  const url = new URL(servers.databaseUrl);
  url.pathname = `/memfleet_bench_${suffix}`;
  const env = {
    ...withoutSettings(servers.env),
    ...keptSettings(await readConfig(globals)),
    ...namesOf(suffix),
    ...settings,
    MEMFLEET_STATE: resolve(globals.stateDir),
  };
  const config = loadConfig({ defaults: DEFAULT_CONFIG, env });
  const undo: (() => Promise<unknown>)[] = [];
  const end = async (): Promise<void> => {
    for (const step of undo.toReversed()) await step();
  };
  try {
    const maintenance = createPool(servers.databaseUrl, config.database, {
      name: 'bench',
      onError,
    });
    undo.push(() => maintenance.end());
    // The suffix has only hexadecimal digits, so it needs no quoting.
    await maintenance.query(`create database memfleet_bench_${suffix}`);
    undo.push(() => maintenance.query(`drop database memfleet_bench_${suffix} with (force)`));
    const pool = createPool(url.href, config.database, { name: 'bench', onError });
    undo.push(() => pool.end());
    const address = findBroker({ env: servers.env, ...globals });
    const connection = await connectBroker(address, config.broker, 'bench');
    undo.push(() => connection.close());
    const jsm = await jetStreamManager(connection, config.broker);
    undo.push(async () => {
      const names: string[] = [];
      for await (const name of jsm.streams.names()) if (name.includes(suffix)) names.push(name);
      for (const name of names) await jsm.streams.delete(name);
    });
    await provisionFleet({ config, jsm, pool });
    return {
      config,
      connection,
      jsm,
      pool,
      env: { ...env, DATABASE_URL: url.href },
      publisher: new Publisher(connection, { log: config.log }),
      [Symbol.asyncDispose]: end,
    };
  } catch (error) {
    await end();
    throw error;
  }
}

function onError(error: Error): void {
  note(`memfleet: a database connection broke: ${error.message}`);
}

function namesOf(suffix: string): Record<string, string> {
  return {
    MEMFLEET_LOG_STREAM: `BENCH_${suffix}`,
    MEMFLEET_LOG_ROOT: `bench-${suffix}`,
    MEMFLEET_DEAD_LETTERS_STREAM: `BENCH_DEAD_${suffix}`,
    MEMFLEET_DEAD_LETTERS_ROOT: `bench-dead-${suffix}`,
    MEMFLEET_ADVISORIES_STREAM: `BENCH_ADVISORIES_${suffix}`,
  };
}

/** Variables that are not settings, but name places. */
const PLACES: ReadonlySet<string> = new Set([
  'MEMFLEET_CACHE',
  'MEMFLEET_CONTAINERS',
  'MEMFLEET_CONTEXT',
  'MEMFLEET_NATS_SERVER',
]);

/** Workers of a bench must not find the model services and the names of the configured fleet. */
function withoutSettings(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return Object.fromEntries(
    Object.entries(env).filter(([name]) => !name.startsWith('MEMFLEET_') || PLACES.has(name)),
  );
}

/** The settings of the configured fleet that determine throughput. */
function keptSettings({ log, stages, projections }: BuiltInConfig): Record<string, string> {
  const { extraction, embedding } = stages;
  return {
    MEMFLEET_LOG_REPLICAS: String(log.replicas),
    MEMFLEET_LOG_PARTITIONS: String(log.partitions),
    MEMFLEET_LOG_COMPRESSION: log.compression,
    MEMFLEET_STAGES_EXTRACTION_CONCURRENCY: String(extraction.concurrency),
    MEMFLEET_STAGES_EXTRACTION_BATCH: String(extraction.batch),
    MEMFLEET_STAGES_EXTRACTION_LINGER: `${extraction.linger}ms`,
    MEMFLEET_STAGES_EMBEDDING_CONCURRENCY: String(embedding.concurrency),
    MEMFLEET_STAGES_EMBEDDING_BATCH: String(embedding.batch),
    MEMFLEET_STAGES_EMBEDDING_LINGER: `${embedding.linger}ms`,
    MEMFLEET_PROJECTIONS_LANES: String(projections.lanes),
    MEMFLEET_PROJECTIONS_BATCH: String(projections.batch),
    MEMFLEET_PROJECTIONS_LINGER: `${projections.linger}ms`,
  };
}
