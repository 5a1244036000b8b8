import { createHash } from 'node:crypto';
import type { Fusion, Halves, LocalEmbedder } from '@memfleet/recall';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recallTuned } from '../../../shared/recall/src/recall.ts';
import { TUNING } from '../../../shared/recall/src/tuning.ts';
import { addressOf, type Question } from '../../../workers/cli/src/bench/recall/corpus.ts';
import {
  FIT_DEPTH,
  fitFusion,
  type Halved,
} from '../../../workers/cli/src/bench/recall/fit-fusion.ts';
import {
  findAll,
  type RecallFleet,
  rememberCorpus,
  scoresOfFound,
} from '../../support/recall-fleet.ts';

const DIMENSIONS = 64;
const NO_FUSION: Fusion = { textWeight: 1, vectorWeight: 1, k: 10 };

/** Vectors of contents: each has a direction of its own, that says nothing of the words. */
const truth: LocalEmbedder = {
  name: 'programmable',
  version: '1',
  model: 'truth',
  space: 'truth-64-0123456789ab',
  dimensions: DIMENSIONS,
  remote: false,
  noise: 0,
  fusion: NO_FUSION,
  embed: (texts) => texts.map((text) => directionOf(text)),
};

/** The vector of a question: that of its answers, moved by noise of so many times its length. */
function noisy(noise: number, contents: ReadonlyMap<string, string>, question: Question) {
  const sum = directionOf(`noise ${question.question}`).map((value) => value * noise);
  for (const memory of question.expected) {
    const content = contents.get(addressOf(question.tenant, memory));
    if (content === undefined) throw new Error(`${memory} has no content`);
    for (const [place, value] of directionOf(content).entries()) {
      sum[place] = (sum[place] ?? 0) + value / question.expected.length;
    }
  }
  return { ...truth, embed: () => [normalised(sum)] } satisfies LocalEmbedder;
}

/** A direction that is drawn at random, the same for the same text: normal values by Box and Muller. */
function directionOf(text: string): Float32Array {
  const values = new Float32Array(DIMENSIONS);
  for (let place = 0; place < DIMENSIONS; place += 1) {
    const digest = createHash('sha256').update(`${place} ${text}`).digest();
    const [first, second] = [digest.readUInt32BE(0) + 1, digest.readUInt32BE(4)];
    const radius = Math.sqrt(-2 * Math.log(first / 2 ** 32));
    values[place] = radius * Math.cos((2 * Math.PI * second) / 2 ** 32);
  }
  return normalised(values);
}

function normalised(values: Float32Array): Float32Array {
  const length = Math.hypot(...values);
  return values.map((value) => value / length);
}

let fleet: RecallFleet;
let contents: Map<string, string>;
/** What the text half finds, which no noise changes. */
let text: (readonly string[])[];
beforeAll(async () => {
  fleet = await rememberCorpus(undefined, truth);
  contents = new Map();
  for (const { event } of fleet.corpus.events) {
    const { content } = event['data'] as { readonly content?: string };
    if (content !== undefined) {
      contents.set(addressOf(event['tenantid'], event['subject']), content);
    }
  }
  text = await search(fleet.corpus.questions, 'text', {});
});
afterAll(async () => {
  await fleet[Symbol.asyncDispose]();
});

function search(
  questions: readonly Question[],
  halves: Halves,
  { noise = 0, fusion = NO_FUSION }: { readonly noise?: number; readonly fusion?: Fusion },
): Promise<(readonly string[])[]> {
  return findAll(questions, async (question) => {
    const { tenant, question: query, scope } = question;
    const embedder = noisy(noise, contents, question);
    const asked = { tenant, query, scope, limit: FIT_DEPTH, embedder, halves };
    const { hits } = await recallTuned(fleet.pool, asked, { ...TUNING, fusion });
    return hits.map(({ memory }) => memory);
  });
}

function recall10(questions: readonly Question[], found: readonly (readonly string[])[]): number {
  return scoresOfFound(questions, found).get('overall')?.recall10 ?? 0;
}

/** A part of the corpus, with what each half finds in it. */
interface Part {
  readonly questions: readonly Question[];
  readonly halved: readonly Halved[];
}

/** Tenants share nothing, not even the counts of words: each part is a corpus of its own. */
async function parts(noise: number): Promise<readonly [Part, Part]> {
  const { questions } = fleet.corpus;
  const vectors = await search(questions, 'vectors', { noise });
  const all = questions.map((question, index) => {
    const { expected } = question;
    const halves = { expected, text: text[index] ?? [], vectors: vectors[index] ?? [] };
    return { question, halves, isHousehold: question.tenant === 'maple' };
  });
  const part = (some: typeof all): Part => ({
    questions: some.map(({ question }) => question),
    halved: some.map(({ halves }) => halves),
  });
  return [
    part(all.filter(({ isHousehold }) => isHousehold)),
    part(all.filter(({ isHousehold }) => !isHousehold)),
  ];
}

function betterHalf({ questions, halved }: Part): number {
  const halves = [halved.map((each) => each.text), halved.map((each) => each.vectors)];
  return Math.max(...halves.map((found) => recall10(questions, found)));
}

// The vectors alone find a third, two thirds, or nearly all of the answers.
test.each([8, 4, 2.5])(
  'with vectors that are the truth plus %d times noise, no worse than the better half',
  async (noise) => {
    const [household, others] = await parts(noise);
    for (const [fittedOn, judged] of [
      [others, household],
      [household, others],
    ] as const) {
      const { fusion } = fitFusion(fittedOn.halved);
      const found = await search(judged.questions, 'both', { noise, fusion });
      expect(recall10(judged.questions, found)).toBeGreaterThanOrEqual(betterHalf(judged));
    }
  },
);

test('wrong weights are worse than the better half: the test above can fail', async () => {
  const [household] = await parts(8);
  const fusion = { textWeight: 1, vectorWeight: 1, k: 60 };
  const found = await search(household.questions, 'both', { noise: 8, fusion });
  expect(recall10(household.questions, found)).toBeLessThan(betterHalf(household));
});
