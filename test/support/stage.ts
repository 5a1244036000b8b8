import { type Envelope, Publisher } from '@memfleet/events';
import { topologyOf, type BuiltInConfig } from '@memfleet/fleet';
import { ProviderGate } from '@memfleet/models';
import {
  createLogger,
  type Logger,
  type Pool,
  Progress,
  provisionTopology,
} from '@memfleet/runtime';
import { type Stage, TenantQueue } from '@memfleet/stages';
import type { JetStreamManager } from '@nats-io/jetstream';
import type { OperatorPause } from '../../shared/stages/src/admission/operator-pause.ts';
import type { Reader } from '../../shared/stages/src/pipeline/read.ts';
import { runStage } from '../../shared/stages/src/run-stage.ts';
import { connectTestBroker, type TestBroker } from './broker.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { testSettings } from './settings.ts';
import { until } from './until.ts';

/** A log, its durables and a database of a test's own, and stages that run on them. */
export interface StageBench extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly publisher: Publisher;
  publish(...events: readonly Envelope[]): Promise<void>;
  /** Runs a stage inside the test, on the durable of the extraction stage, until it is stopped. */
  start<Extra>(stage: Stage<Extra>, options?: StartOptions): RunningStage;
  /** Waits until everything is acked or terminated, and every running stage knows. */
  settled(): Promise<void>;
  /** Rows of the dedupe table. */
  work(): Promise<WorkRow[]>;
  deadLetters(): Promise<number>;
  /** Derived events in the log. */
  derived(): Promise<number>;
}

export interface StartOptions {
  readonly gate?: ProviderGate;
  readonly pool?: Pool;
  /** For renewals; those of `pool` unless given. */
  readonly renewals?: Pool;
  readonly operator?: OperatorPause;
  /** Whether tenants may take turns, as with a remote provider. */
  readonly turns?: boolean;
  /** Reads the bytes of events in place of the registry. */
  readonly reader?: Reader;
}

export interface RunningStage extends AsyncDisposable {
  readonly progress: Progress;
  readonly gate: ProviderGate;
  /** Settles when the stage has ended. */
  readonly ended: Promise<void>;
  /** As SIGTERM does. */
  stop(): Promise<void>;
}

export interface WorkRow {
  readonly event_id: string;
  readonly sequence: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly abandoned: number;
  readonly published: boolean;
}

export const silent: Logger = createLogger({ worker: 'test', level: 'silent' });

export async function createStageBench(
  flags: Readonly<Record<string, string>> = {},
): Promise<StageBench> {
  const config = testSettings(flags);
  const [broker, database] = await Promise.all([connectTestBroker(), createTestDatabase()]);
  await provisionTopology(broker.jsm, topologyOf(config));
  const publisher = new Publisher(broker.connection, { log: config.log });
  const { durable } = config.stages.extraction.inputs['content'] ?? { durable: 'extraction' };
  const running: RunningStage[] = [];
  return {
    config,
    broker,
    database,
    publisher,
    async publish(...events) {
      for (const event of events) await publisher.append(event);
    },
    start(stage, options = {}) {
      const one = startStage({ config, broker, database, durable }, stage, options);
      running.push(one);
      return one;
    },
    async settled() {
      await settled(broker.jsm, config.log.stream, durable);
      // The server knows about an ack before its confirmation arrives.
      await until('nothing is in flight', () =>
        running.every(({ progress }) => progress.inFlight === 0),
      );
    },
    async work() {
      const { rows } = await database.pool.query<WorkRow>(
        `select event_id, sequence, state, reason, attempts, abandoned,
           published_at is not null as published
         from memfleet.stage_work order by sequence`,
      );
      return rows;
    },
    deadLetters: () => count(broker.jsm, config.deadLetters.stream, '>'),
    derived: () => count(broker.jsm, config.log.stream, `${config.log.root}.*.*.*.derived.*`),
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(running.map((one) => one.stop()));
      await dropStreams(broker.jsm, config);
      await broker[Symbol.asyncDispose]();
      await database[Symbol.asyncDispose]();
    },
  };
}

/** Streams of one test must not fill the disk of the run. */
export async function dropStreams(jsm: JetStreamManager, config: BuiltInConfig): Promise<void> {
  for (const { name } of topologyOf(config).streams) {
    await jsm.streams.delete(name).catch(() => false);
  }
}

/** Waits until a durable has nothing left: none pending, none delivered and unanswered. */
export async function settled(
  jsm: JetStreamManager,
  stream: string,
  durable: string,
  limitMs?: number,
): Promise<void> {
  const isSettled = async (): Promise<boolean> => {
    const info = await jsm.consumers.info(stream, durable);
    return info.num_pending === 0 && info.num_ack_pending === 0;
  };
  await until(`everything on ${durable} is settled`, isSettled, limitMs);
}

/** Messages of a stream whose subject matches. */
export async function count(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
): Promise<number> {
  const { state } = await jsm.streams.info(stream, { subjects_filter: subject });
  return Object.values(state.subjects ?? {}).reduce((sum, messages) => sum + messages, 0);
}

interface Place {
  readonly config: BuiltInConfig;
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly durable: string;
}

function queueOf(
  { config, broker, pool }: Pick<Place, 'config' | 'broker'> & { readonly pool: Pool },
  stage: string,
): TenantQueue {
  const { ackWait: ackWaitMs } = config.stages.extraction;
  const { stream } = config.log;
  return new TenantQueue({ db: pool, jsm: broker.jsm, stage, stream, ackWaitMs, log: silent });
}

function startStage<Extra>(
  { config, broker, database, durable }: Place,
  stage: Stage<Extra>,
  {
    gate = new ProviderGate(),
    pool = database.pool,
    renewals = pool,
    turns = false,
    reader,
    operator,
  }: StartOptions,
): RunningStage {
  const abort = new AbortController();
  const progress = new Progress();
  progress.started();
  const run = async (): Promise<void> => {
    const consumer = await broker.jetstream.consumers.get(config.log.stream, durable);
    await runStage({
      stage,
      config,
      settings: config.stages.extraction,
      connection: broker.connection,
      pool,
      renewals,
      consumers: [consumer],
      gate,
      queue: queueOf({ config, broker, pool }, stage.name),
      turns,
      ...(reader === undefined ? {} : { reader }),
      ...(operator === undefined ? {} : { operator }),
      progress,
      log: silent,
      signal: abort.signal,
    });
  };
  const ended = run();
  // Looked at by `stop` at the latest; a test may look earlier.
  ended.catch(() => undefined);
  const stop = async (): Promise<void> => {
    abort.abort();
    await ended;
  };
  return { progress, gate, ended, stop, [Symbol.asyncDispose]: stop };
}
