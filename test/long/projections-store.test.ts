import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Envelope } from '@memfleet/events';
import { provisionFleet } from '@memfleet/fleet';
import {
  type LocalServer,
  removePostgresData,
  startNatsServer,
  startPostgres,
} from '@memfleet/local';
import { hashTables, laneStatus, PROJECTIONS } from '@memfleet/projections';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createProjectionFleet, type ProjectionFleet } from '../chaos/projection-fleet.ts';
import { GrowingLog } from '../chaos/projection-log.ts';
import { said, VERBS } from '../integration/projections/generated-log.ts';
import { expectSameTables, foldedLog, shownTables } from '../integration/projections/tables.ts';
import { readLog } from '../support/log-stream.ts';
import { Random } from '../support/random.ts';
import { appendAll } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memfleet-store-'));
});
afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Events of every type; another seed gives other events. */
function events(count: number, seed: number): Envelope[] {
  const random = new Random(seed);
  return Array.from({ length: count }, (_, index) =>
    said(
      {
        what: random.pick(VERBS.filter((verb) => verb !== 'copy')),
        tenant: random.below(2),
        memory: random.below(20),
        number: random.below(1_000),
        choice: random.below(1_000_000),
      },
      1_000 * seed + index,
    ),
  );
}

/** The test's own NATS server, which it may stop, kill, and start on another store. */
class Nats implements AsyncDisposable {
  readonly #dataDir: string;
  server: LocalServer;

  private constructor(dataDir: string, server: LocalServer) {
    this.#dataDir = dataDir;
    this.server = server;
  }

  static async start(name: string): Promise<Nats> {
    const dataDir = join(folder, name);
    return new Nats(dataDir, await startNatsServer({ dataDir }));
  }

  /** On the same port. */
  async again(): Promise<void> {
    const { port } = this.server;
    this.server = await startNatsServer({ dataDir: this.#dataDir, port });
  }

  /** Copies the store, as a backup does: with the server stopped. */
  async backUp(): Promise<void> {
    await this.server.stop();
    await cp(join(this.#dataDir, 'jetstream'), `${this.#dataDir}-backup`, { recursive: true });
    await this.again();
  }

  /** Like resetting a machine: the server is killed, and restarts with an older store. */
  async restore(): Promise<void> {
    await this.server.kill();
    await rm(join(this.#dataDir, 'jetstream'), { recursive: true });
    await cp(`${this.#dataDir}-backup`, join(this.#dataDir, 'jetstream'), { recursive: true });
    await this.again();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.server.stop();
  }
}

async function hashesOf({ pool }: ProjectionFleet): Promise<unknown> {
  return await Promise.all(PROJECTIONS.map((projection) => hashTables(pool, projection, 1)));
}

/** Waits until every lane is halted, and says so. */
async function haltedBecause({ pool }: ProjectionFleet, cause: RegExp): Promise<void> {
  let last: unknown;
  await until(
    `every lane says ${cause.source}`,
    async () => {
      const lanes = await laneStatus(pool);
      last = lanes.map((lane) => [lane.state, lane.cause]);
      return lanes.every((lane) => lane.state === 'halted' && cause.test(lane.cause ?? ''));
    },
    60_000,
  ).catch((error: unknown) => {
    throw new Error(`the lanes are ${JSON.stringify(last)}`, { cause: error });
  });
}

test.each([
  {
    what: 'and written to beyond where the lanes are',
    written: 200,
    isAway: false,
    cause: /was restored from an older copy .* position 150 holds another event/,
  },
  {
    what: 'and written to beyond where the lanes are before the workers look',
    written: 200,
    isAway: true,
    cause: /was restored from an older copy .* position 150 holds another event/,
  },
  {
    what: 'and written to less than before',
    written: 20,
    isAway: false,
    cause: /was restored from an older copy: it ends at 120, and position 150 was read before/,
  },
])(
  'a store restored under running workers halts every lane: $what',
  async ({ written, isAway, cause }) => {
    await using nats = await Nats.start(`restored-${written}-${isAway}`);
    // A worker that is stopped for longer than this ends itself, which other tests cover.
    const flags = { 'workers.blockedAfter': '1h' };
    await using fleet = await createProjectionFleet(flags, { nats: nats.server });
    const connected = async (): Promise<void> => {
      await until('the connection is back', async () => {
        return await fleet.broker.connection.rtt().catch(() => undefined);
      });
    };
    await appendAll(fleet.broker, fleet.config, events(100, 1));
    const workers = [fleet.start(), fleet.start()];
    // A worker that is still starting when the server disappears would end with an error.
    await Promise.all(workers.map(({ process: worker }) => worker.ready()));
    await fleet.applied(100);
    await nats.backUp();
    await connected();
    await appendAll(fleet.broker, fleet.config, events(50, 2));
    await fleet.applied(150);
    const before = await hashesOf(fleet);
    if (isAway) for (const { process: worker } of workers) worker.kill('SIGSTOP');
    await nats.restore();
    await connected();
    const { state } = await fleet.broker.jsm.streams.info(fleet.config.log.stream);
    expect(state.last_seq).toBe(100);
    await appendAll(fleet.broker, fleet.config, events(written, 3));
    if (isAway) for (const { process: worker } of workers) worker.kill('SIGCONT');

    await haltedBecause(fleet, cause);
    expect(await hashesOf(fleet)).toEqual(before);
    // It stays halted, also for the workers that take over the lanes.
    for (const { process: worker } of workers) {
      if (!worker.isRunning) throw new Error(`a worker ended by itself:\n${worker.log}`);
      worker.kill('SIGTERM');
      await worker.endsWith(0);
    }
    fleet.start();
    await haltedBecause(fleet, cause);
    expect(await hashesOf(fleet)).toEqual(before);
  },
  180_000,
);

test('a stream deleted and recreated under running workers: none of it is read', async () => {
  await using fleet = await createProjectionFleet();
  const { broker, config, pool } = fleet;
  await appendAll(broker, config, events(60, 1));
  const worker = fleet.start();
  await fleet.applied(60);
  const before = await hashesOf(fleet);
  await broker.jsm.streams.delete(config.log.stream);
  await provisionFleet({ config, jsm: broker.jsm, pool });
  await appendAll(broker, config, events(90, 2));
  // Between the two it may have met no durable, which ends it: a restarted worker finds out.
  const causes = await until('the worker is halted or gone', async () => {
    if (!worker.process.isRunning) return ['gone'];
    const lanes = await laneStatus(pool);
    return lanes.every(({ state }) => state === 'halted') && lanes.map(({ cause }) => cause);
  });
  if (causes[0] === 'gone') {
    await worker.process.endsWith(1);
    fleet.start();
  }
  await haltedBecause(fleet, /was recreated: it was created at .* up to position 60 are from /);
  expect(await hashesOf(fleet)).toEqual(before);
});

test('servers that are killed and come back cost nothing: every event is applied, once', async () => {
  await using nats = await Nats.start('killed');
  const dataDir = join(folder, 'postgres');
  const start = { dataDir, settings: { max_connections: '60' } };
  let postgres = await startPostgres(start);
  try {
    await using fleet = await createProjectionFleet(
      { 'projections.batch': '20' },
      { nats: nats.server, postgres },
    );
    const workers = [fleet.start(), fleet.start()];
    await Promise.all(workers.map(({ process: worker }) => worker.ready()));
    const log = new GrowingLog(fleet, new Random(7));
    for (let round = 1; round <= 6; round += 1) {
      log.allow(round * 1_000);
      await until('some of it is stored', () => log.begun > round * 1_000 - 800, 60_000);
      if (round % 2 === 0) {
        await nats.server.kill();
        await nats.again();
      } else {
        const { port } = postgres;
        await postgres.kill();
        postgres = await startPostgres({ ...start, port });
      }
    }
    const last = await log.close();
    await fleet.applied(last);
    const stored = await readLog(fleet.broker.connection, fleet.config.log);
    expect(stored).toHaveLength(6_000);
    const folded = foldedLog(
      stored.map(({ bytes }) => JSON.parse(Buffer.from(bytes).toString()) as Envelope),
    );
    expectSameTables(await shownTables(fleet.pool, Object.keys(folded)), folded);
    const parked = await fleet.pool.query('select from memfleet.parked_events');
    expect(parked.rows).toEqual([]);
    for (const { process: worker } of workers) {
      worker.kill('SIGTERM');
      await worker.endsWith(0);
    }
  } finally {
    await postgres.stop();
    await removePostgresData(dataDir);
  }
}, 300_000);
