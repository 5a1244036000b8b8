import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type Envelope, Publisher } from '@memfleet/events';
import { topologyOf, type BuiltInConfig, type BuiltInStage } from '@memfleet/fleet';
import { provisionTopology } from '@memfleet/runtime';
import { connectTestBroker, type TestBroker } from '../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { memoryCreated } from '../support/events.ts';
import { type ModelService, replies, startModelService } from '../support/model-service.ts';
import { testSettings, uniqueNames } from '../support/settings.ts';
import { count, dropStreams, settled } from '../support/stage.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/** A stage worker as the conformance suite sees it. */
export interface StageCase {
  readonly stage: BuiltInStage;
  /** The durable that the suite feeds. */
  readonly durable: string;
  /** Settings of its provider; the address of the model service is added. */
  readonly provider: Readonly<Record<string, unknown>>;
}

export const STAGES: readonly StageCase[] = [
  {
    stage: 'extraction',
    durable: 'extraction',
    provider: { kind: 'openai-compatible', model: 'test-model', apiKey: 'key' },
  },
  {
    stage: 'embedding',
    durable: 'embedding-content',
    provider: { kind: 'openai-compatible', model: 'test-model', apiKey: 'key', dimensions: 8 },
  },
];

/** The stage's results for everything that was published. */
export interface Effects {
  readonly done: number;
  readonly parked: number;
  /** Derived events in the log, and how many of them are different. */
  readonly derived: number;
  readonly distinct: number;
  readonly deadLetters: number;
}

/** Content that the model service refuses, so that the event is parked. */
const POISON = 'poison';

/** A process may take half a minute to start where many tests run at once. */
const PATIENCE_MS = 120_000;
/** The server takes 1,000 in one atomic batch. */
const APPENDED_AT_ONCE = 500;

/** The environment of a stage worker: a log, a database and a model service that counts its calls. */
export interface StageFleet extends AsyncDisposable {
  readonly stage: BuiltInStage;
  readonly durable: string;
  readonly config: BuiltInConfig;
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly model: ModelService;
  /** The environment for processes of this fleet. */
  readonly environment: Readonly<Record<string, string>>;
  /** Publishes `count` events, one in `poisonEvery` of them poisoned. */
  publish(events: number, poisonEvery?: number): Promise<void>;
  append(events: readonly Envelope[]): Promise<void>;
  /** Publishes `count` events with the same content, each for a memory of its own. */
  publishEqual(events: number): Promise<void>;
  start(env?: Readonly<Record<string, string>>): WorkerProcess;
  /** Waits until no event is pending, unanswered, or waiting by tenant. */
  settled(): Promise<void>;
  effects(): Promise<Effects>;
  /** Events that somebody holds a claim on. */
  claimed(): Promise<number>;
  /** Messages of the durable that are unanswered, and that wait. */
  pending(): Promise<{ readonly unanswered: number; readonly waiting: number }>;
}

export async function createStageFleet(
  { stage, durable, provider }: StageCase,
  overrides: Readonly<Record<string, string>> = {},
  servers: { readonly broker?: TestBroker; readonly database?: TestDatabase } = {},
): Promise<StageFleet> {
  const [broker, database, model, folder] = await Promise.all([
    servers.broker ?? connectTestBroker(),
    servers.database ?? createTestDatabase(),
    startModelService(),
    mkdtemp(join(tmpdir(), 'memfleet-chaos-')),
  ]);
  model.respond(answer);
  const flags = {
    ...uniqueNames(),
    // Short, so that a dead worker's events are redelivered soon, but not so short that a busy machine
    // turns a live worker into a zombie; small batches, so that there are many.
    [`stages.${stage}.ackWait`]: '3s',
    [`stages.${stage}.lease`]: '2500ms',
    [`stages.${stage}.deadline`]: '20s',
    [`stages.${stage}.concurrency`]: '8',
    [`stages.${stage}.batch`]: '4',
    'workers.shutdownGrace': '10s',
    'database.poolSize': '4',
    [`stages.${stage}.provider`]: JSON.stringify({ ...provider, baseUrl: model.url }),
    ...overrides,
  };
  const settings = Object.fromEntries(
    Object.entries(flags).filter(([path]) => !path.endsWith('.provider')),
  );
  const config = testSettings(settings);
  await provisionTopology(broker.jsm, topologyOf(config));
  const path = join(folder, 'fleet.yaml');
  await writeFile(path, JSON.stringify(treeOf(flags)));
  const environment = {
    MEMFLEET_CONFIG: path,
    NATS_URL: broker.url,
    DATABASE_URL: database.url,
  };
  const publisher = new Publisher(broker.connection, { log: config.log });
  let published = 0;
  const append = async (events: readonly Envelope[]): Promise<void> => {
    for (let from = 0; from < events.length; from += APPENDED_AT_ONCE) {
      await publisher.appendBatch(events.slice(from, from + APPENDED_AT_ONCE));
    }
  };
  return {
    stage,
    durable,
    config,
    broker,
    database,
    model,
    environment,
    append,
    async publish(events, poisonEvery = 0) {
      const batch: Envelope[] = [];
      for (let index = 1; index <= events; index += 1) {
        published += 1;
        const kind = poisonEvery > 0 && index % poisonEvery === 0 ? POISON : 'note';
        // Every content is different, or the cache would answer.
        batch.push(memoryCreated(`${kind} number ${published}`, { memory: `m${published}` }));
      }
      await append(batch);
    },
    async publishEqual(events) {
      await append(
        Array.from({ length: events }, (_, index) =>
          memoryCreated('note number 0', { memory: `e${index}` }),
        ),
      );
    },
    start(env = {}) {
      const main = fileURLToPath(new URL(`../../workers/${stage}/src/main.ts`, import.meta.url));
      return new WorkerProcess(main, { ...environment, ...env });
    },
    async settled() {
      await settled(broker.jsm, config.log.stream, durable, PATIENCE_MS);
      await until(
        'no event waits by tenant',
        async () => {
          const { rows } = await database.pool.query('select from memfleet.tenant_queue limit 1');
          return rows.length === 0;
        },
        PATIENCE_MS,
      );
    },
    effects: () => effectsOf(broker, database, config, stage),
    async claimed() {
      const { rows } = await database.pool.query(
        `select from memfleet.stage_work where state = 'claimed' and lease_until > now()`,
      );
      return rows.length;
    },
    async pending() {
      const info = await broker.jsm.consumers.info(config.log.stream, durable);
      return { unanswered: info.num_ack_pending, waiting: info.num_pending };
    },
    async [Symbol.asyncDispose]() {
      await dropStreams(broker.jsm, config);
      await Promise.all([
        // The caller that passed the servers stops them.
        servers.broker === undefined ? broker[Symbol.asyncDispose]() : undefined,
        servers.database === undefined ? database[Symbol.asyncDispose]() : undefined,
        model[Symbol.asyncDispose](),
        rm(folder, { recursive: true, force: true }),
      ]);
    },
  };
}

/** Correct answers for every content but the poisoned. */
export function answer(
  call: Parameters<typeof replies.right>[0],
): ReturnType<typeof replies.right> {
  return isPoisoned(call.body)
    ? replies.error(400, 'invalid_request_error', 'this input cannot be read')
    : replies.right(call);
}

export function isPoisoned(body: Readonly<Record<string, unknown>>): boolean {
  return JSON.stringify(body).includes(POISON);
}

async function effectsOf(
  broker: TestBroker,
  database: TestDatabase,
  config: BuiltInConfig,
  stage: BuiltInStage,
): Promise<Effects> {
  const { rows } = await database.pool.query<{ state: string; events: string }>(
    `select state, count(*) as events from memfleet.stage_work where stage = $1 group by state`,
    [stage],
  );
  const of = (state: string): number =>
    Number(rows.find((row) => row.state === state)?.events ?? 0);
  const { stream, root } = config.log;
  const derived = await count(broker.jsm, stream, `${root}.*.*.*.derived.*`);
  const deadLetters = await count(broker.jsm, config.deadLetters.stream, '>');
  // Each memory has one event, and each event one result: a repeated subject is a repeated result.
  const { state } = await broker.jsm.streams.info(stream, {
    subjects_filter: `${root}.*.*.*.derived.*`,
  });
  const distinct = Object.keys(state.subjects ?? {}).length;
  return { done: of('done'), parked: of('parked'), derived, distinct, deadLetters };
}

/** { 'a.b': '1' } → { a: { b: 1 } }, as a configuration file. */
function treeOf(flags: Readonly<Record<string, string>>): Record<string, unknown> {
  const tree: Record<string, unknown> = {};
  for (const [path, value] of Object.entries(flags)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let here = tree;
    for (const key of keys) here = (here[key] ??= {}) as Record<string, unknown>;
    here[last] = /^(?:\d+$|\{)/.test(value) ? (JSON.parse(value) as unknown) : value;
  }
  return tree;
}

/** Waits until the service has had this many calls. */
export async function called({ model }: StageFleet, calls: number): Promise<void> {
  await until(
    `the model was called ${calls} times`,
    () => model.calls.length >= calls,
    PATIENCE_MS,
  );
}
