import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionFleet, type BuiltInConfig } from '@memfleet/fleet';
import type { LocalServer } from '@memfleet/local';
import { PROJECTIONS } from '@memfleet/projections';
import { createPool, isTransientDatabaseError, type Pool } from '@memfleet/runtime';
import { connectTestBroker, type TestBroker } from '../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { testSettings, uniqueNames } from '../support/settings.ts';
import { environmentOf } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

const MAIN = fileURLToPath(new URL('../../workers/projection/src/main.ts', import.meta.url));

/** A projection worker as a process, with the name of its database connections. */
export interface Projector extends AsyncDisposable {
  readonly name: string;
  readonly pid: number;
  readonly process: WorkerProcess;
}

/** A test's own log and database, and real projection workers that read and write them. */
export interface ProjectionFleet extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly broker: TestBroker;
  readonly pool: Pool;
  /** Every worker that was ever started. */
  readonly started: readonly Projector[];
  start(): Projector;
  /** Waits until every lane of every live projection has reached the position. */
  applied(sequence: number, limitMs?: number): Promise<void>;
}

/** @param servers other than those of the run, for tests that kill them */
export async function createProjectionFleet(
  overrides: Readonly<Record<string, string>> = {},
  servers: { readonly nats?: LocalServer; readonly postgres?: LocalServer } = {},
): Promise<ProjectionFleet> {
  const settings = {
    ...uniqueNames(),
    // Short, so that a dead worker's lanes are soon taken over.
    'projections.lease': '1s',
    'workers.report': '250ms',
    'database.poolSize': '6',
    ...overrides,
  };
  const config = testSettings(settings);
  const [broker, database, cache] = await Promise.all([
    connectTestBroker(servers.nats?.url),
    servers.postgres === undefined ? createTestDatabase() : wholeDatabase(servers.postgres),
    mkdtemp(join(tmpdir(), 'memfleet-chaos-')),
  ]);
  const { pool } = database;
  await provisionFleet({ config, jsm: broker.jsm, pool, projections: PROJECTIONS });
  const started: Projector[] = [];
  return {
    config,
    broker,
    pool,
    started,
    start() {
      const name = `worker-${started.length}`;
      const worker = startProjector(name, {
        ...environmentOf(settings),
        // Hundreds of workers are started: with a compile cache each costs half.
        NODE_COMPILE_CACHE: cache,
        NATS_URL: broker.url,
        DATABASE_URL: namedUrl(database, name),
      });
      started.push(worker);
      return worker;
    },
    async applied(sequence, limitMs = 120_000) {
      await until(
        `position ${sequence} is reached`,
        async () => (await lowestPosition(pool).catch(whileAway)) >= sequence,
        limitMs,
      );
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(started.map((worker) => worker[Symbol.asyncDispose]()));
      await broker.jsm.streams.delete(config.log.stream).catch(() => false);
      await Promise.all([
        broker[Symbol.asyncDispose](),
        database[Symbol.asyncDispose](),
        rm(cache, { recursive: true, force: true }),
      ]);
    },
  };
}

function startProjector(name: string, env: Readonly<Record<string, string>>): Projector {
  const process = new WorkerProcess(MAIN, env);
  return {
    name,
    pid: process.pid,
    process,
    async [Symbol.asyncDispose]() {
      await process[Symbol.asyncDispose]();
    },
  };
}

/** The one database of a server of the test's own. */
async function wholeDatabase({ url }: LocalServer): Promise<TestDatabase> {
  const pool = createPool(url, testSettings().database, { name: 'test' });
  return { url, pool, [Symbol.asyncDispose]: () => pool.end() };
}

/** Its connections have a name, so that their commits can be distinguished. */
function namedUrl({ url }: TestDatabase, name: string): string {
  const named = new URL(url);
  named.searchParams.set('application_name', name);
  return named.href;
}

/** A database that is restarting answers later. */
function whileAway(error: unknown): number {
  if (isTransientDatabaseError(error)) return 0;
  throw error;
}

async function lowestPosition(pool: Pool): Promise<number> {
  const { rows } = await pool.query<{ position: string | null }>(
    `select min(position) as position from memfleet.checkpoints
      join memfleet.projection_generations using (projection, generation) where state = 'live'`,
  );
  return Number(rows[0]?.position ?? 0);
}
