import type { BuiltInConfig } from '@memfleet/fleet';
import { createEmbedder, type Embedder, type Fusion, type Halves, recall } from '@memfleet/recall';
import { messageOf, type Pool } from '@memfleet/runtime';
import { CommandError, UsageError } from '../../failure.ts';
import { readConfig } from '../../fleet.ts';
import type { Globals } from '../../globals.ts';
import { interruptSignal } from '../../interrupt.ts';
import { note, printJson, printLine } from '../../output.ts';
import { ProgressBar } from '../../progress-bar.ts';
import { type Column, table } from '../../table.ts';
import { openBenchServers } from '../servers.ts';
import { createThrowAwayFleet } from '../throw-away-fleet.ts';
import { type Question, readCorpus } from './corpus.ts';
import { FIT_DEPTH, type Fit, fitFusion, fusedScore } from './fit-fusion.ts';
import { type Answered, DEPTH, type Score, scoresOf } from './metrics.ts';
import { rememberAll } from './remember.ts';

/** The rankings to measure: both halves as the product combines them, and each half alone. */
const RANKINGS: readonly { readonly ranking: string; readonly halves: Halves }[] = [
  { ranking: 'product', halves: 'both' },
  { ranking: 'text', halves: 'text' },
  { ranking: 'vectors', halves: 'vectors' },
];

/** Questions asked before the clock counts: they open connections and warm up the JIT compiler. */
const WARM_UP = 50;

/** One line of `bench recall --json`. */
export interface RecallMeasure extends Score {
  readonly measure: 'recall';
  readonly ranking: string;
  readonly category: string;
}

/** An additional line with --fit. */
interface FusionMeasure extends Fusion, Omit<Score, 'p50ms' | 'p95ms'> {
  readonly measure: 'recall-fusion';
  readonly weights: 'today' | 'best';
}

/** Answers a question. @returns memories, best first */
type Ask = (question: Question) => Promise<readonly string[]>;

export interface RecallBench {
  /** Searches for the weights of the fusion that find most. */
  readonly fit: boolean;
  /** Uses the configured embedding model; otherwise the local one. */
  readonly model: boolean;
}

/**
 * Processes the events of a folder in a fleet of its own, asks its questions, and reports how often the
 * answers were among the first hits.
 */
export async function benchRecall(
  globals: Globals,
  folder: string,
  options: RecallBench,
): Promise<void> {
  const signal = interruptSignal();
  const settings = options.model ? embeddingSettings(await readConfig(globals)) : {};
  const { events, questions } = await readCorpus(folder, signal);
  await using servers = await openBenchServers(globals);
  await using fleet = await createThrowAwayFleet(globals, servers, settings);
  note(`memfleet: ${count(events.length, 'event')} through the workers`);
  const bar = new ProgressBar({ label: 'learning', plainLines: !globals.json });
  await rememberAll(fleet, events, { bar, signal });
  const embedder = createEmbedder(fleet.config.stages.embedding.provider);
  const asking = { pool: fleet.pool, embedder, questions, globals, signal };
  const measures = await measureAll(asking);
  const fits = options.fit ? await fitted(asking) : [];
  if (globals.json) {
    for (const measure of [...measures, ...fits]) await printJson(measure);
    return;
  }
  await printLine(report(measures, questions.length));
  for (const fit of fits) await printLine(fitReport(fit));
}

/**
 * The configured embedding provider as settings of the throw-away fleet.
 * @throws UsageError when that is the local one
 */
export function embeddingSettings({ stages }: BuiltInConfig): Record<string, string> {
  const { provider } = stages.embedding;
  if (provider.kind === 'local') {
    throw new UsageError(
      '--model needs an embedding model, but stages.embedding.provider is local',
    );
  }
  return Object.fromEntries(
    Object.entries(provider).map(([name, value]) => [
      `MEMFLEET_STAGES_EMBEDDING_PROVIDER_${name.replaceAll(/[A-Z]/g, '_$&').toUpperCase()}`,
      typeof value === 'string' ? value : JSON.stringify(value),
    ]),
  );
}

interface Asking {
  readonly pool: Pool;
  readonly embedder: Embedder;
  readonly questions: readonly Question[];
  readonly globals: Globals;
  readonly signal: AbortSignal;
}

async function measureAll(asking: Asking): Promise<RecallMeasure[]> {
  const measures: RecallMeasure[] = [];
  for (const { ranking, halves } of RANKINGS) {
    const answered = await answersBy(asking, { ranking, halves, depth: DEPTH });
    for (const [category, score] of scoresOf(answered)) {
      measures.push({ measure: 'recall', ranking, category, ...score });
    }
  }
  return measures;
}

/** The scores of the current and of the best weights, computed from both halves' rankings. */
async function fitted(asking: Asking): Promise<FusionMeasure[]> {
  const text = await answersBy(asking, { ranking: 'text', halves: 'text', depth: FIT_DEPTH });
  const vectors = await answersBy(asking, {
    ranking: 'vectors',
    halves: 'vectors',
    depth: FIT_DEPTH,
  });
  const halved = text.map(({ expected, found }, index) => ({
    expected,
    text: found,
    vectors: vectors[index]?.found ?? [],
  }));
  const { fusion } = asking.embedder;
  return [
    fusionMeasure('today', { fusion, score: fusedScore(halved, fusion) }),
    fusionMeasure('best', fitFusion(halved)),
  ];
}

function fusionMeasure(weights: FusionMeasure['weights'], { fusion, score }: Fit): FusionMeasure {
  const { p50ms: _, p95ms: __, ...shares } = score;
  return { measure: 'recall-fusion', weights, ...fusion, ...shares };
}

async function answersBy(
  { pool, embedder, questions, globals, signal }: Asking,
  how: { readonly ranking: string; readonly halves: Halves; readonly depth: number },
): Promise<Answered[]> {
  const { ranking, halves, depth } = how;
  const total = questions.length;
  const bar = new ProgressBar({ label: `asking ${ranking}`, total, plainLines: !globals.json });
  const ask: Ask = async ({ tenant, question, scope }) => {
    const query = { tenant, query: question, scope, limit: depth, embedder, halves, signal };
    const { hits, notes } = await recall(pool, query);
    const away = notes.find(({ code }) => code === 'EMBEDDER_AWAY');
    // Otherwise the words alone would be measured under the name of both.
    if (away !== undefined) throw new Error(away.message);
    return hits.map(({ memory }) => memory);
  };
  try {
    return await askAll(questions, ask, (done) => bar.update(done));
  } finally {
    bar.end();
  }
}

/** Asks one question after the other, so that the latency is that of a single search. */
async function askAll(
  questions: readonly Question[],
  ask: Ask,
  onAsked: (done: number) => void,
): Promise<Answered[]> {
  for (const question of questions.slice(0, WARM_UP)) await asked(question, ask);
  const answered: Answered[] = [];
  for (const question of questions) {
    answered.push(await asked(question, ask));
    onAsked(answered.length);
  }
  return answered;
}

async function asked(question: Question, ask: Ask): Promise<Answered> {
  const { expected, category, line } = question;
  const started = performance.now();
  let found: readonly string[];
  try {
    found = await ask(question);
  } catch (error) {
    throw new CommandError(
      `line ${line} of questions.jsonl could not be asked: ${messageOf(error)}`,
      'Correct the question if it is to blame, or see that the embedding service answers.',
    );
  }
  const ms = performance.now() - started;
  return { expected, found, ms, ...(category === undefined ? {} : { category }) };
}

const COLUMNS: readonly Column[] = [
  { title: 'ranking', align: 'left' },
  { title: 'category', align: 'left' },
  { title: 'asked', align: 'right' },
  { title: '@5', align: 'right' },
  { title: '@10', align: 'right' },
  { title: '@25', align: 'right' },
  { title: 'hit', align: 'right' },
  { title: 'MRR', align: 'right' },
  { title: 'p50', align: 'right' },
  { title: 'p95', align: 'right' },
];

/** Keeps a row within 80 columns. */
const LONGEST_CATEGORY = 14;

/** The table for people. */
export function report(measures: readonly RecallMeasure[], questions: number): string {
  const rows = measures.map((measure) => [
    measure.ranking,
    measure.category.slice(0, LONGEST_CATEGORY),
    String(measure.questions),
    ...[measure.recall5, measure.recall10, measure.recall25, measure.hit10].map(percent),
    measure.mrr.toFixed(3),
    milliseconds(measure.p50ms),
    milliseconds(measure.p95ms),
  ]);
  return `${table(COLUMNS, rows)}\n
${count(questions, 'question')}. @k: share of the expected memories among the first k, in %;
hit: share of questions with one of them among the first 10, in %; MRR: mean of
1 / place of the first; p50 and p95: milliseconds of one search.`;
}

function milliseconds(value: number): string {
  return value < 1_000 ? value.toFixed(1) : String(Math.round(value));
}

function fitReport({ weights, textWeight, vectorWeight, k, recall10, mrr }: FusionMeasure): string {
  const label = weights === 'best' ? 'best weights here' : "today's weights";
  return `${label}: text ${textWeight} to vectors ${vectorWeight}, k ${k}: @10 ${percent(recall10)}, MRR ${mrr.toFixed(3)}`;
}

function percent(share: number): string {
  return (share * 100).toFixed(1);
}

function count(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}
