import { createEmbedder, recall, type RecallHit, type RecallQuery } from '@memfleet/recall';
import { RuntimeError } from '@memfleet/runtime';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { printable } from '../words.ts';

type RecallWish = Pick<RecallQuery, 'tenant' | 'query' | 'scope' | 'limit'> & {
  /** Whole contents and the turns around them instead of snippets. */
  readonly isFull: boolean;
};

export async function recallMemories(globals: Globals, wish: RecallWish): Promise<void> {
  await using database = await openReadModels(globals, 'recall');
  const { pool, config } = database;
  const { isFull, ...query } = wish;
  const embedder = createEmbedder(config.stages.embedding.provider);
  const { hits, notes } = await recall(pool, { ...query, embedder, bounds: config.recall });
  const unknown = notes.find(({ code }) => code === 'UNKNOWN_TENANT');
  if (unknown !== undefined) throw new RuntimeError('NOT_FOUND', unknown.message);
  if (globals.json) {
    await printJson({ tenant: wish.tenant, query: wish.query, results: hits, notes });
    return;
  }
  for (const { message } of notes) note(`memfleet: ${message}`);
  if (hits.length === 0) await printLine('no matching memories');
  for (const [index, hit] of hits.entries()) {
    await printLine(isFull ? fullText(index + 1, hit) : shortText(index + 1, hit));
  }
}

/** The snippet that answers, and below it why it was found. */
function shortText(rank: number, hit: RecallHit): string {
  return `${numbered(rank)} ${said(hit.speaker, hit.snippet)}\n    ${about(hit)}`;
}

/** The whole content, with the turns before and after it. */
function fullText(rank: number, hit: RecallHit): string {
  const { before, after } = hit.context;
  const turn = ({ speaker, content }: (typeof before)[number]): string =>
    `    | ${said(speaker, content)}`;
  return [
    ...before.map(turn),
    `${numbered(rank)} ${said(hit.speaker, hit.content)}`,
    ...after.map(turn),
    `    ${about(hit)}`,
    ...hit.facts.map((fact) => `    fact: ${printable(fact)}`),
  ].join('\n');
}

function numbered(rank: number): string {
  return `${String(rank).padStart(2)}.`;
}

function said({ name }: RecallHit['speaker'], text: string): string {
  return `${name === null ? '' : `${printable(name)}: `}${printable(text)}`;
}

function about({ memory, kind, when, text, vector }: RecallHit): string {
  const { similarity = null } = vector ?? {};
  return [
    memory,
    kind ?? '-',
    when.toISOString(),
    ...(text === undefined ? [] : [`words #${text.rank}`]),
    ...(similarity === null ? [] : [`similarity ${similarity.toFixed(2)}`]),
    ...(vector?.fact === undefined ? [] : [`fact: ${printable(vector.fact)}`]),
  ].join(' · ');
}
