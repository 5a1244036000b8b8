import { type Envelope, type MemoryEvent, Publisher } from '@memfleet/events';
import { ProviderGate } from '@memfleet/models';
import { Progress } from '@memfleet/runtime';
import {
  type LetterFilter,
  type Outcome,
  readLetters,
  type Stage,
  type StageContext,
  type StoredLetter,
  TenantQueue,
} from '@memfleet/stages';
import { RedriveInput } from '../../../shared/stages/src/dead-letters/redrive-input.ts';
import {
  redriveConsumer,
  redriveStreamName,
} from '../../../shared/stages/src/dead-letters/redrive-queue.ts';
import { runStage } from '../../../shared/stages/src/run-stage.ts';
import { nothingExtracted } from '../../support/events.ts';
import { count, dropStreams, settled, silent } from '../../support/stage.ts';
import { until } from '../../support/until.ts';
import { type CliFleet, createCliFleet, type Finished } from '../cli/run-cli.ts';

/** One line of `dead-letters list --json`. */
export interface ListedLetter {
  readonly id: number;
  readonly stage: string;
  readonly stageVersion: number | null;
  readonly tenant: string;
  readonly memory: string;
  readonly eventId: string | null;
  readonly reason: string;
  readonly message: string;
  readonly attempts: number;
  readonly redrives: number;
  readonly logSequence: number | null;
  readonly logSubject: string | null;
  readonly parkedAt: string;
  readonly bytes: number | null;
}

export interface WorkRow {
  readonly event_id: string;
  readonly state: string;
  readonly reason: string | null;
  readonly attempts: number;
  readonly redrives: number;
  readonly result: string | null;
  readonly published: boolean;
}

/** A stage that runs inside the test, on the log and on the queue of redriven events. */
export interface RunningStage extends AsyncDisposable {
  /** Ids of the events its handler was called for. */
  readonly calls: readonly string[];
  readonly progress: Progress;
}

export type Handler = (event: MemoryEvent, context: StageContext) => Promise<Outcome>;

/** A provisioned fleet, the real command line, and stages whose code a test can "mend". */
export interface DeadLetterBench extends AsyncDisposable {
  readonly fleet: CliFleet;
  publish(...events: readonly Envelope[]): Promise<void>;
  /** Runs the stage `extraction`; without a handler everything goes well. */
  start(handle?: Handler, version?: number): RunningStage;
  /** Waits until log and queue have nothing left for the stage. */
  settled(): Promise<void>;
  /** The real command line. */
  cli(...args: readonly string[]): Promise<Finished>;
  /** As the real command line lists them. */
  letters(...filters: readonly string[]): Promise<ListedLetter[]>;
  /** The letters of the stream, without a process for each look. */
  stored(filter?: LetterFilter): Promise<StoredLetter[]>;
  ids(): Promise<number[]>;
  /** Events waiting in the queue. */
  queued(): Promise<number>;
  derived(): Promise<number>;
  work(): Promise<WorkRow[]>;
}

export const NAME = 'extraction';

/** As a stage that works: one derived event each. */
export const works: Handler = async (event, { sequence }) => ({
  kind: 'done',
  events: [nothingExtracted(event, sequence, { name: NAME, version: 1 })],
});

export async function createDeadLetterBench(
  settings: Record<string, string> = {},
): Promise<DeadLetterBench> {
  const fleet = await createCliFleet({ settings });
  const { config, broker, database } = fleet;
  const publisher = new Publisher(broker.connection, { log: config.log });
  const running: RunningStage[] = [];
  const queue = redriveStreamName(config);
  const { name: durable } = redriveConsumer(config, NAME);
  const cli = (...args: readonly string[]): Promise<Finished> =>
    fleet.run(['dead-letters', ...args]);
  const stored = async (filter?: LetterFilter): Promise<StoredLetter[]> => {
    const letters: StoredLetter[] = [];
    for await (const letter of readLetters(broker, config, filter)) letters.push(letter);
    return letters;
  };
  return {
    fleet,
    cli,
    async publish(...events) {
      for (const event of events) await publisher.append(event);
    },
    start(handle = works, version = 1) {
      const one = startStage(fleet, handle, version);
      running.push(one);
      return one;
    },
    async settled() {
      await settled(broker.jsm, config.log.stream, NAME);
      await settled(broker.jsm, queue, durable);
    },
    async letters(...filters) {
      const { code, stdout, stderr } = await cli('list', '--json', ...filters);
      if (code !== 0) throw new Error(stderr);
      const lines = stdout.split('\n').filter((line) => line !== '');
      return lines.map((line) => JSON.parse(line) as ListedLetter);
    },
    stored,
    ids: async () => (await stored()).map(({ id }) => id),
    queued: () => count(broker.jsm, queue, '>'),
    derived: () => count(broker.jsm, config.log.stream, `${config.log.root}.*.*.*.derived.*`),
    async work() {
      const { rows } = await database.pool.query<WorkRow>(
        `select event_id, state, reason, attempts, redrives, result,
           published_at is not null as published
         from memfleet.stage_work order by sequence, stage_version`,
      );
      return rows;
    },
    async [Symbol.asyncDispose]() {
      await Promise.allSettled(running.map((one) => one[Symbol.asyncDispose]()));
      await dropStreams(broker.jsm, config);
      await fleet[Symbol.asyncDispose]();
    },
  };
}

function startStage(
  { config, broker, database }: CliFleet,
  handle: Handler,
  version: number,
): RunningStage {
  const calls: string[] = [];
  const abort = new AbortController();
  const progress = new Progress();
  progress.started();
  const stage: Stage = {
    name: NAME,
    version,
    async handle(event, context) {
      calls.push(event.id);
      return await handle(event, context);
    },
  };
  const run = async (): Promise<void> => {
    const { connection, jetstream } = broker;
    const wanted = redriveConsumer(config, NAME);
    const consumer = await jetstream.consumers.get(wanted.stream, wanted.name);
    await runStage({
      stage,
      config,
      settings: config.stages.extraction,
      connection,
      pool: database.pool,
      renewals: database.pool,
      consumers: [await jetstream.consumers.get(config.log.stream, NAME)],
      redrive: new RedriveInput({ consumer, connection, config, log: silent }),
      queue: new TenantQueue({
        db: database.pool,
        jsm: broker.jsm,
        stage: NAME,
        stream: config.log.stream,
        ackWaitMs: config.stages.extraction.ackWait,
        log: silent,
      }),
      turns: false,
      gate: new ProviderGate(),
      progress,
      log: silent,
      signal: abort.signal,
    });
  };
  const ended = run();
  ended.catch(() => undefined);
  return {
    calls,
    progress,
    async [Symbol.asyncDispose]() {
      abort.abort();
      await ended;
    },
  };
}

/** Publishes events, and has them parked by a stage that cannot do with them. */
export async function parkAll(
  bench: DeadLetterBench,
  events: readonly Envelope[],
  handle: Handler,
): Promise<void> {
  await bench.publish(...events);
  await using stage = bench.start(handle);
  await until('all of them were tried', () => stage.calls.length >= events.length);
  await bench.settled();
}
