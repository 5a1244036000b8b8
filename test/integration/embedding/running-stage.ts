import {
  createEvent,
  type Envelope,
  type MemoryEmbedded,
  Publisher,
  registry,
} from '@memfleet/events';
import { topologyOf, type BuiltInConfig } from '@memfleet/fleet';
import { ProviderGate } from '@memfleet/models';
import type { Embedder } from '@memfleet/recall';
import { createLogger, Progress, provisionTopology } from '@memfleet/runtime';
import { TenantQueue } from '@memfleet/stages';
import { runStage } from '../../../shared/stages/src/run-stage.ts';
import { embeddingStage } from '../../../workers/embedding/src/stage.ts';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { readLog } from '../../support/log-stream.ts';
import { testSettings } from '../../support/settings.ts';
import { until } from '../../support/until.ts';

export interface WorkRow {
  readonly event_id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly calls: number;
  readonly input_tokens: number;
  readonly cost_usd: number;
}

/** What a `memory.extracted` says when these are the texts of its facts. */
export function factsSaying(texts: readonly string[]): Record<string, unknown> {
  return {
    cause: { source: '/test', id: '019c1234-0000-7000-8000-000000000001', sequence: 1 },
    extractor: { name: 'local', version: '1' },
    facts: texts.map((text) => ({
      text,
      subject: 'Ada',
      predicate: 'does',
      object: 'things',
      confidence: 1,
    })),
    entities: [],
    usage: { calls: 1, input_tokens: 0, output_tokens: 0 },
    cost_usd: 0,
    duration_ms: 1,
    cached: false,
  };
}

/** A log, a database, and the embedding stage at work on them in this process. */
export class EmbeddingFleet implements AsyncDisposable {
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly config: BuiltInConfig;
  readonly publisher: Publisher;
  #stop: (() => Promise<void>) | undefined;

  private constructor(broker: TestBroker, database: TestDatabase, config: BuiltInConfig) {
    this.broker = broker;
    this.database = database;
    this.config = config;
    this.publisher = new Publisher(broker.connection, { log: config.log });
  }

  static async create(flags: Readonly<Record<string, string>> = {}): Promise<EmbeddingFleet> {
    const [broker, database] = await Promise.all([connectTestBroker(), createTestDatabase()]);
    const config = testSettings(flags);
    await provisionTopology(broker.jsm, topologyOf(config));
    return new EmbeddingFleet(broker, database, config);
  }

  /** Starts a process's worth of the stage; events published before are waiting for it. */
  async start(embedder: Embedder, gate = new ProviderGate()): Promise<void> {
    const { broker, database, config } = this;
    const { stream } = config.log;
    const settings = config.stages.embedding;
    const consumers = await Promise.all(
      Object.values(settings.inputs).map(({ durable }) =>
        broker.jetstream.consumers.get(stream, durable),
      ),
    );
    const abort = new AbortController();
    const log = createLogger({ worker: 'embedding', level: 'fatal' });
    const running = runStage({
      stage: embeddingStage({ embedder, pool: database.pool, gate, settings }),
      config,
      settings,
      connection: broker.connection,
      pool: database.pool,
      renewals: database.pool,
      consumers,
      queue: new TenantQueue({
        db: database.pool,
        jsm: broker.jsm,
        stage: 'embedding',
        stream,
        ackWaitMs: settings.ackWait,
        log,
      }),
      turns: false,
      gate,
      progress: new Progress(),
      log,
      signal: abort.signal,
    });
    this.#stop = async () => {
      this.#stop = undefined;
      abort.abort();
      await running;
    };
  }

  async stop(): Promise<void> {
    await this.#stop?.();
  }

  async publish(
    type: 'memory.created' | 'memory.forgotten' | 'memory.extracted',
    memory: string,
    data: Readonly<Record<string, unknown>>,
  ): Promise<Envelope> {
    const event = createEvent({ tenant: 'acme', memory, type, data, source: '/test' });
    await this.publisher.append(event);
    return event;
  }

  /** One `memory.created` per text, memories m0, m1, …, in one atomic batch. */
  async publishContents(texts: readonly string[]): Promise<Envelope[]> {
    const events = texts.map((content, index) =>
      createEvent({
        tenant: 'acme',
        memory: `m${index}`,
        type: 'memory.created',
        data: { content },
        source: '/test',
      }),
    );
    await this.publisher.appendBatch(events);
    return events;
  }

  async work(): Promise<WorkRow[]> {
    const { rows } = await this.database.pool.query<WorkRow>(
      `select event_id, state, reason, attempts, calls::int, input_tokens::int, cost_usd
        from memfleet.stage_work where stage = 'embedding' order by sequence`,
    );
    return rows;
  }

  /** Waits until so many events have come to an end, whatever it is. */
  async finished(count: number): Promise<WorkRow[]> {
    return await until(`${count} events finished`, async () => {
      const rows = (await this.work()).filter((row) => row.state !== 'claimed');
      return rows.length >= count ? rows : undefined;
    });
  }

  async embedded(): Promise<MemoryEmbedded[]> {
    const stored = await readLog(this.broker.connection, this.config.log);
    return stored.flatMap(({ bytes }) => {
      const decoded = registry.decode(bytes);
      return decoded.kind === 'known' && decoded.event.type === 'memory.embedded'
        ? [decoded.event]
        : [];
    });
  }

  /** Waits for the events themselves: they are published after the result is recorded. */
  async published(count: number): Promise<MemoryEmbedded[]> {
    return await until(`${count} embedded events`, async () => {
      const events = await this.embedded();
      return events.length >= count ? events : undefined;
    });
  }

  async vectors(): Promise<Map<string, readonly number[]>> {
    const { rows } = await this.database.pool.query<{ digest: string; embedding: number[] }>(
      `select encode(content_sha256, 'hex') as digest, embedding from memfleet.vectors`,
    );
    return new Map(rows.map((row) => [row.digest, row.embedding]));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop();
    await this.broker[Symbol.asyncDispose]();
    await this.database[Symbol.asyncDispose]();
  }
}
