import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { Envelope } from '@memfleet/events';
import { provisionFleet, type BuiltInConfig } from '@memfleet/fleet';
import {
  durableOf,
  hashTables,
  type Projection,
  schemaOf,
  startRebuild,
  type TableHash,
} from '@memfleet/projections';
import { createLogger, Progress } from '@memfleet/runtime';
import fc from 'fast-check';
import { runEngine } from '../../../workers/projection/src/engine/engine.ts';
import type { TestBroker } from '../../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testSettings } from '../../support/settings.ts';
import { appendAll } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { generatedLog } from './generated-log.ts';
import { expectSameTables, foldedLog, shownTables } from './tables.ts';

/** A log, and what happens to its reader meanwhile. */
export interface EqualityCase {
  readonly log: readonly Envelope[];
  readonly batch: number;
  /** How much of the log exists when it happens. */
  readonly cut: number;
  /** The durables are reset to the beginning, and redeliver everything; or the worker is replaced. */
  readonly event: 'nothing' | 'redelivery' | 'restart';
}

export const equalityCase: fc.Arbitrary<EqualityCase> = fc.record({
  log: generatedLog,
  batch: fc.constantFrom(1, 3, 7, 40, 1_000),
  cut: fc.nat({ max: 100 }),
  event: fc.constantFrom('nothing', 'redelivery', 'restart'),
});

const LANES = 8;

/**
 * A stream and a database that hold one log after the other: a log costs a second of CPU and more of waiting,
 * so several of these run concurrently.
 */
export class EqualityBench implements AsyncDisposable {
  readonly #broker: TestBroker;
  readonly #database: TestDatabase;
  readonly #projections: readonly Projection[];
  readonly #config: BuiltInConfig;
  logs = 0;
  events = 0;

  private constructor(
    broker: TestBroker,
    database: TestDatabase,
    projections: readonly Projection[],
  ) {
    this.#broker = broker;
    this.#database = database;
    this.#projections = projections;
    // Dozens of lanes on one worker: their logs do not matter here.
    this.#config = testSettings({ 'workers.report': '10s', 'projections.linger': '1ms' });
  }

  static async create(
    broker: TestBroker,
    projections: readonly Projection[],
  ): Promise<EqualityBench> {
    return new EqualityBench(broker, await createTestDatabase(), projections);
  }

  /** @throws when tables, fold, rebuild and rebuild in 8 lanes are not the same */
  async check({ log, batch, cut, event }: EqualityCase): Promise<void> {
    await provisionFleet({
      config: this.#config,
      jsm: this.#broker.jsm,
      pool: this.#database.pool,
      projections: this.#projections,
    });
    try {
      await this.#compare({ log, batch, cut, event });
      this.logs += 1;
      this.events += log.length;
    } finally {
      await this.#clear();
    }
  }

  async #compare({ log, batch, cut, event }: EqualityCase): Promise<void> {
    const { pool } = this.#database;
    const before = log.slice(0, cut % log.length);
    await appendAll(this.#broker, this.#config, before);
    await this.#while(batch, async () => {
      await this.#applied(1, 1, before.length);
      if (event === 'redelivery') await this.#redeliver();
      if (event === 'restart') return;
      await appendAll(this.#broker, this.#config, log.slice(before.length));
      await this.#applied(1, 1, log.length);
    });
    if (event === 'restart') {
      await appendAll(this.#broker, this.#config, log.slice(before.length));
    }
    await this.#rebuild(2, 1);
    await this.#rebuild(3, LANES);
    await this.#while(batch, async () => {
      await this.#applied(1, 1, log.length);
      await this.#applied(2, 1, log.length);
      await this.#applied(3, LANES, log.length);
    });
    const folded = foldedLog(log);
    expectSameTables(await shownTables(pool, Object.keys(folded)), folded);
    const live = await this.#hashes(1);
    assert.deepEqual(await this.#hashes(2), live, 'the rebuild is another');
    assert.deepEqual(await this.#hashes(3), live, 'the rebuild in 8 lanes is another');
  }

  /** Runs a worker's engine as long as the work takes. */
  async #while(batch: number, work: () => Promise<void>): Promise<void> {
    const engine = this.#start(batch);
    try {
      await work();
    } finally {
      await engine.stop();
    }
  }

  #start(batch: number): { stop(): Promise<void> } {
    const abort = new AbortController();
    const config = this.#config;
    const { connection, jetstream, jsm } = this.#broker;
    const running = runEngine(
      {
        config: { ...config, projections: { ...config.projections, batch } },
        connection,
        jetstream,
        jsm,
        pool: this.#database.pool,
        log: createLogger({ worker: 'test', level: 'silent' }),
        progress: new Progress(),
        instance: randomUUID(),
        signal: abort.signal,
      },
      this.#projections,
    );
    // `stop` awaits it.
    running.catch(() => undefined);
    return {
      async stop() {
        abort.abort();
        await running;
      },
    };
  }

  async #applied(generation: number, lanes: number, length: number): Promise<void> {
    await until(
      `generation ${generation} has applied ${length} events`,
      async () => {
        const { rows } = await this.#database.pool.query<{ lanes: number; position: number }>({
          name: 'equality-applied',
          text: `select count(*)::int as lanes, min(position)::int as position
            from memfleet.checkpoints where generation = $1`,
          values: [generation],
        });
        const [row] = rows;
        return row?.lanes === lanes * this.#projections.length && row.position >= length;
      },
      60_000,
    );
  }

  async #redeliver(): Promise<void> {
    for (const { name } of this.#projections) {
      const durable = durableOf({ projection: name, generation: 1, lane: 0 });
      await this.#broker.jsm.consumers.reset(this.#config.log.stream, durable, 1);
    }
  }

  /** Makes tables to be filled from position 1. */
  async #rebuild(generation: number, lanes: number): Promise<void> {
    const { pool } = this.#database;
    const config = { ...this.#config, projections: { ...this.#config.projections, lanes } };
    for (const projection of this.#projections) {
      const started = await startRebuild({ config, jsm: this.#broker.jsm, pool }, projection);
      assert.deepEqual(started, { generation, isNew: true });
    }
    // There is one rebuild at a time; workers run everything that is not retired.
    await pool.query(
      `update memfleet.projection_generations set state = 'previous' where state = 'next'`,
    );
  }

  async #hashes(generation: number): Promise<TableHash[][]> {
    const { pool } = this.#database;
    return await Promise.all(
      this.#projections.map((projection) => hashTables(pool, projection, generation)),
    );
  }

  /** Removes the log, and everything made from it. */
  async #clear(): Promise<void> {
    const { pool } = this.#database;
    await this.#broker.jsm.streams.delete(this.#config.log.stream);
    const schemas = this.#projections.flatMap(({ name }) =>
      [1, 2, 3].map((generation) => schemaOf(name, generation)),
    );
    await pool.query(`drop schema if exists ${schemas.join(', ')} cascade`);
    await pool.query(`truncate memfleet.projection_generations, memfleet.checkpoints,
      memfleet.leases, memfleet.lane_reports, memfleet.parked_events, memfleet.parked_redrives`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { stream } of [this.#config.deadLetters, this.#config.advisories]) {
      await this.#broker.jsm.streams.delete(stream).catch(() => false);
    }
    await this.#database[Symbol.asyncDispose]();
  }
}
