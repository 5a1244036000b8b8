import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  freePort,
  type LocalServer,
  removePostgresData,
  startNatsServer,
  startPostgres,
} from '@memfleet/local';
import { createPool, migrate } from '@memfleet/runtime';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import type { TestBroker } from './broker.ts';
import type { TestDatabase } from './database.ts';
import { testSettings } from './settings.ts';
import { until } from './until.ts';

/** A server that can be killed and restarted, at the same address and with the same data. */
export interface Killable {
  kill(): Promise<void>;
  start(): Promise<void>;
}

/** A test's own server, for tests that kill it. */
class OwnServer implements Killable, AsyncDisposable {
  readonly #folder: string;
  readonly #launch: (port: number | undefined) => Promise<LocalServer>;
  readonly #clean: () => Promise<void>;
  #server: LocalServer;

  private constructor(
    folder: string,
    server: LocalServer,
    launch: (port: number | undefined) => Promise<LocalServer>,
    clean: () => Promise<void>,
  ) {
    this.#folder = folder;
    this.#server = server;
    this.#launch = launch;
    this.#clean = clean;
  }

  static async create(
    launch: (folder: string, port: number | undefined) => Promise<LocalServer>,
    clean: (folder: string) => Promise<void> = async () => undefined,
  ): Promise<OwnServer> {
    const folder = await mkdtemp(join(tmpdir(), 'memfleet-own-'));
    const at = (port: number | undefined): Promise<LocalServer> => launch(folder, port);
    return new OwnServer(folder, await at(undefined), at, () => clean(folder));
  }

  get url(): string {
    return this.#server.url;
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    await this.#server.kill();
  }

  async start(): Promise<void> {
    this.#server = await this.#launch(this.#server.port);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.stop();
    await this.#clean();
    await rm(this.#folder, { recursive: true, force: true });
  }
}

/** Durable: everything it has confirmed must survive a kill. */
export async function ownDatabase(): Promise<TestDatabase & Killable> {
  const server = await OwnServer.create(
    (folder, port) => startPostgres({ dataDir: join(folder, 'postgres'), port }),
    (folder) => removePostgresData(join(folder, 'postgres')),
  );
  const pool = createPool(server.url, testSettings().database, { name: 'test' });
  await migrate(pool);
  return {
    url: server.url,
    pool,
    kill: () => server.kill(),
    start: () => server.start(),
    async [Symbol.asyncDispose]() {
      await pool.end();
      await server[Symbol.asyncDispose]();
    },
  };
}

export async function ownBroker(): Promise<TestBroker & Killable> {
  const server = await OwnServer.create((folder, port) =>
    startNatsServer({ dataDir: join(folder, 'nats'), port }),
  );
  const broker = await connectTo(server.url);
  return {
    ...broker,
    kill: () => server.kill(),
    start: () => server.start(),
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}

/** Three servers, for streams with three replicas. */
export interface TestCluster extends TestBroker {
  /** Kills the server of that name, and starts it again. */
  kill(name: string): Promise<void>;
  start(name: string): Promise<void>;
}

const NAMES = ['one', 'two', 'three'] as const;

export async function ownCluster(): Promise<TestCluster> {
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-cluster-'));
  const ports = await Promise.all(
    NAMES.map(async (name) => ({ name, client: await freePort(), route: await freePort() })),
  );
  const routes = ports.map(({ route }) => `"nats://127.0.0.1:${route}"`).join(', ');
  const servers = new Map<string, LocalServer>();
  const start = async (wanted: string): Promise<void> => {
    const mine = ports.find(({ name }) => name === wanted);
    if (mine === undefined) throw new Error(`no server is called ${wanted}`);
    const config = [
      `server_name: "${mine.name}"`,
      `cluster { name: memfleet, listen: "127.0.0.1:${mine.route}", routes: [${routes}] }`,
    ].join('\n');
    const dataDir = join(folder, mine.name);
    servers.set(mine.name, await startNatsServer({ dataDir, port: mine.client, config }));
  };
  await Promise.all(NAMES.map(start));
  const broker = await connectTo(ports.map(({ client }) => `nats://127.0.0.1:${client}`).join(','));
  // Nothing can be created before they have elected a leader.
  await until('the cluster has a leader', async () => {
    const info = await broker.jsm.getAccountInfo().catch(() => undefined);
    return info !== undefined;
  });
  return {
    ...broker,
    start,
    async kill(name) {
      await servers.get(name)?.kill();
    },
    async [Symbol.asyncDispose]() {
      await broker[Symbol.asyncDispose]();
      await Promise.all([...servers.values()].map((server) => server.stop()));
      await rm(folder, { recursive: true, force: true });
    },
  };
}

async function connectTo(url: string): Promise<TestBroker> {
  const connection = await connect({
    servers: url.split(','),
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
  });
  const client = jetstream(connection);
  return {
    url,
    connection,
    jetstream: client,
    jsm: await client.jetstreamManager(false),
    async [Symbol.asyncDispose]() {
      await connection.close();
    },
  };
}
