import { loadFleet, type BuiltInConfig } from '@memfleet/fleet';
import {
  checkDatabase,
  checkMigrated,
  connectBroker,
  createPool,
  DEFAULT_CONFIG,
  findBroker,
  findConnections,
  type JetStreamManager,
  jetStreamManager,
  type Pool,
} from '@memfleet/runtime';
import type { Globals } from './globals.ts';
import { note } from './output.ts';

type Connection = Awaited<ReturnType<typeof connectBroker>>;

/** The broker a command talks to; disposing closes it. */
export interface Broker extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly connection: Connection;
  readonly jsm: JetStreamManager;
}

/** Broker and database. */
export interface Fleet extends Broker {
  readonly pool: Pool;
}

export interface Database extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly pool: Pool;
}

/** The configuration, its modules loaded. @throws RuntimeError CONFIG_INVALID */
export async function readConfig({ configFile }: Globals): Promise<BuiltInConfig> {
  const sources = { defaults: DEFAULT_CONFIG, file: configFile, env: process.env };
  return (await loadFleet(sources)).config;
}

/** @throws RuntimeError CONFIG_INVALID | BROKER_* */
export async function openBroker(globals: Globals, name: string): Promise<Broker> {
  const config = await readConfig(globals);
  const address = findBroker({ env: process.env, ...globals });
  const connection = await connectBroker(address, config.broker, name);
  return {
    config,
    connection,
    jsm: await jetStreamManager(connection, config.broker),
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}

/** @throws RuntimeError CONFIG_INVALID | DATABASE_UNREACHABLE */
export async function openDatabase(globals: Globals, name: string): Promise<Database> {
  const config = await readConfig(globals);
  const { databaseUrl } = findConnections({ env: process.env, ...globals });
  const pool = await reachDatabase(databaseUrl, config, name);
  return {
    config,
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end();
    },
  };
}

/**
 * Opens the database after checking that it is provisioned.
 * @throws RuntimeError as `openDatabase`, and DATABASE_OUTDATED
 */
export async function openReadModels(globals: Globals, name: string): Promise<Database> {
  const database = await openDatabase(globals, name);
  try {
    await checkMigrated(database.pool);
    return database;
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

/** @throws RuntimeError CONFIG_INVALID | BROKER_* | DATABASE_UNREACHABLE */
export async function openFleet(globals: Globals, name: string): Promise<Fleet> {
  return await withBroker(globals, name, await openDatabase(globals, name));
}

/** @throws RuntimeError as `openFleet`, and DATABASE_OUTDATED */
export async function openProvisionedFleet(globals: Globals, name: string): Promise<Fleet> {
  return await withBroker(globals, name, await openReadModels(globals, name));
}

async function withBroker(globals: Globals, name: string, database: Database): Promise<Fleet> {
  try {
    const broker = await openBroker(globals, name);
    return {
      config: broker.config,
      connection: broker.connection,
      jsm: broker.jsm,
      pool: database.pool,
      async [Symbol.asyncDispose]() {
        await Promise.all([broker[Symbol.asyncDispose](), database[Symbol.asyncDispose]()]);
      },
    };
  } catch (error) {
    await database[Symbol.asyncDispose]();
    throw error;
  }
}

async function reachDatabase(url: string, config: BuiltInConfig, name: string): Promise<Pool> {
  const pool = createPool(url, config.database, {
    name,
    onError: (error) => note(`memfleet: a database connection broke: ${error.message}`),
  });
  try {
    await checkDatabase(pool, url);
    return pool;
  } catch (error) {
    await pool.end();
    throw error;
  }
}
