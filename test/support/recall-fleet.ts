import { join } from 'node:path';
import { Publisher } from '@memfleet/events';
import { ProviderGate, ResultCache } from '@memfleet/models';
import { PROJECTIONS } from '@memfleet/projections';
import { createEmbedder, type Embedder } from '@memfleet/recall';
import { createLogger, type Pool, Progress } from '@memfleet/runtime';
import { type Stage, TenantQueue } from '@memfleet/stages';
import { runStage } from '../../shared/stages/src/run-stage.ts';
import {
  type Corpus,
  type Question,
  readCorpus,
} from '../../workers/cli/src/bench/recall/corpus.ts';
import { type Score, scoresOf } from '../../workers/cli/src/bench/recall/metrics.ts';
import { allReadable, appendInOrder } from '../../workers/cli/src/bench/recall/remember.ts';
import { ProgressBar } from '../../workers/cli/src/progress-bar.ts';
import { embeddingStage } from '../../workers/embedding/src/stage.ts';
import { createExtractor } from '../../workers/extraction/src/providers/create.ts';
import { extractionStage } from '../../workers/extraction/src/stage.ts';
import { connectTestBroker } from './broker.ts';
import { testSettings } from './settings.ts';
import { dropStreams } from './stage.ts';
import { createTestFleet } from './test-fleet.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

const OWN_CORPUS = join(import.meta.dirname, '../fixtures/recall');

/** The read models of a corpus, by the code of all workers, run in this process. */
export interface RecallFleet extends AsyncDisposable {
  readonly pool: Pool;
  readonly corpus: Corpus;
}

/** @param embedder makes the vectors of what is remembered */
export async function rememberCorpus(
  folder = OWN_CORPUS,
  embedder: Embedder = lexicalEmbedder,
): Promise<RecallFleet> {
  const { signal } = new AbortController();
  const corpus = await readCorpus(folder, signal);
  const broker = await connectTestBroker();
  const config = testSettings();
  const fleet = await createTestFleet(broker, config, PROJECTIONS);
  const stop = new AbortController();
  const run = async <Extra>(
    name: 'extraction' | 'embedding',
    stage: Stage<Extra>,
    gate: ProviderGate,
  ): Promise<void> => {
    const settings = config.stages[name];
    const log = createLogger({ worker: name, level: 'fatal' });
    const consumers = await Promise.all(
      Object.values(settings.inputs).map(({ durable }) =>
        broker.jetstream.consumers.get(config.log.stream, durable),
      ),
    );
    await runStage({
      stage,
      config,
      settings,
      connection: broker.connection,
      pool: fleet.pool,
      renewals: fleet.pool,
      consumers,
      queue: new TenantQueue({
        db: fleet.pool,
        jsm: broker.jsm,
        stage: name,
        stream: config.log.stream,
        ackWaitMs: settings.ackWait,
        log,
      }),
      turns: false,
      gate,
      progress: new Progress(),
      log,
      signal: stop.signal,
    });
  };
  const gate = new ProviderGate();
  const { extraction } = config.stages;
  const cache = new ResultCache(fleet.pool, { batch: extraction.batch, lingerMs: 1 });
  const extractor = await createExtractor(extraction.provider, gate.fetch);
  const settings = config.stages.embedding;
  const running = [
    run('extraction', extractionStage(extractor, { settings: extraction, gate, cache }), gate),
    run('embedding', embeddingStage({ embedder, pool: fleet.pool, gate, settings }), gate),
  ];
  const failed = Promise.race(running).then(() => {
    throw new Error('a stage ended early');
  });
  failed.catch(() => undefined);
  fleet.start();
  const dispose = async (): Promise<void> => {
    stop.abort();
    await Promise.allSettled(running);
    await fleet[Symbol.asyncDispose]();
    await dropStreams(broker.jsm, config);
    await broker[Symbol.asyncDispose]();
  };
  const remembered = async (): Promise<void> => {
    const publisher = new Publisher(broker.connection, { log: config.log });
    await appendInOrder(publisher, corpus.events, signal);
    const bar = new ProgressBar({ label: 'learning', plainLines: false });
    await allReadable({ jsm: broker.jsm, pool: fleet.pool, config }, { bar, signal });
  };
  try {
    await Promise.race([remembered(), failed]);
  } catch (error) {
    await dispose();
    throw error;
  }
  return { pool: fleet.pool, corpus, [Symbol.asyncDispose]: dispose };
}

/** Searches under way at once: where latency is not measured, they need not wait for each other. */
const AT_ONCE = 4;

/** What is found for each question, in their order. */
export async function findAll(
  questions: readonly Question[],
  find: (question: Question) => Promise<readonly string[]>,
): Promise<(readonly string[])[]> {
  const found: (readonly string[])[] = [];
  const rest = questions.entries();
  const work = async (): Promise<void> => {
    for (const [index, question] of rest) found[index] = await find(question);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  return found;
}

/** Scores of the rankings that were found. */
export function scoresOfFound(
  questions: readonly Question[],
  found: readonly (readonly string[])[],
): Map<string, Score> {
  const answered = questions.map(({ expected, category }, index) => ({
    expected,
    found: found[index] ?? [],
    ms: 0,
    ...(category === undefined ? {} : { category }),
  }));
  return scoresOf(answered);
}
