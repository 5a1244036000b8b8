import { ProviderError } from '@memfleet/models';
import { waitFor } from '@memfleet/projections';
import { type Queryable, raceAbort, RuntimeError } from '@memfleet/runtime';
import { checkQuery } from './check-query.ts';
import { describe, type Described } from './describe.ts';
import type { Embedder } from './embedder.ts';
import { type Lent, lentScores } from './lent-scores.ts';
import type { Nearest } from './nearest-query.ts';
import { type NearestMemories, nearestMemories } from './nearest.ts';
import { isEmpty, type ParsedQuery, parseQuery } from './parse.ts';
import { RECALL_BOUNDS, type RecallBounds, type RecallQuery } from './query.ts';
import { fuse } from './rank-fusion.ts';
import type { RecallHit, RecallNote, RecallResult } from './result.ts';
import { type Scope, scopeOf } from './scope.ts';
import { snippetOf } from './snippet.ts';
import { type Context, contextOf, surroundingsOf } from './surroundings.ts';
import { tenantStatistics } from './tenant-statistics.ts';
import { type TextRanking, textRanking } from './text-ranking.ts';
import { TUNING, type Tuning } from './tuning.ts';

const LIMIT = 10;
/** How many candidates each ranking offers per returned memory: the merged order needs a choice. */
const CANDIDATES_PER_HIT = 3;
const MIN_CANDIDATES = 60;
/** How many it must find where each further one costs more. */
const ENOUGH_PER_HIT = 2;
/** The longer the query, the longer ranking takes. */
const LONGEST_QUERY = 2_000;
const EMBEDDER_TIMEOUT_MS = 5_000;
/** Turns shown on either side of a hit. */
const CONTEXT = 2;

/**
 * Finds the memories that answer a query: by their words, by vectors, and by the turns around them.
 * Forgotten and superseded memories are never returned: one is gone, the other is wrong by now. The only
 * model call embeds the query; without its answer only the words decide, and the result says so.
 * @throws RuntimeError RECALL_QUERY_EMPTY | RECALL_QUERY_INVALID; the errors of `waitFor`, with `after`; ProviderError when the
 * query asks for vectors alone and cannot be embedded; the signal's reason
 */
export async function recall(db: Queryable, query: RecallQuery): Promise<RecallResult> {
  return await recallTuned(db, query, TUNING);
}

/** The same with other constants: for a bench that fits or breaks them. */
export async function recallTuned(
  db: Queryable,
  query: RecallQuery,
  tuning: Tuning,
): Promise<RecallResult> {
  checkQuery(query);
  const { tenant, limit = LIMIT, neighbours = 'messages', signal } = query;
  // Text that PostgreSQL refuses has no meaning in a query either.
  const asked = query.query.slice(0, LONGEST_QUERY).replaceAll('\u0000', ' ').toWellFormed();
  const parsed = parseQuery(asked);
  if (isEmpty(parsed)) {
    throw new RuntimeError('RECALL_QUERY_EMPTY', 'the query has no word to look for');
  }
  if (query.after !== undefined) {
    await waitFor(db, 'memories', query.after, {
      ...(query.afterTimeoutMs === undefined ? {} : { timeoutMs: query.afterTimeoutMs }),
      ...(signal === undefined ? {} : { signal }),
    });
  }
  const search: Search = {
    db,
    query,
    parsed,
    tuning,
    scope: scopeOf(tenant, query.scope ?? {}, parsed),
    bounds: { ...RECALL_BOUNDS, ...query.bounds },
    candidates: Math.max(MIN_CANDIDATES, limit * CANDIDATES_PER_HIT),
    enough: limit * ENOUGH_PER_HIT,
  };
  const [text, vectors] = await Promise.all([byText(search), byVectors(search)]);
  const around = await surroundingsOf(db, {
    memories: [...new Set([...text.memories, ...vectors.nearest].map(({ memory }) => memory))],
    scope: search.scope,
    which: neighbours,
    reach: tuning.lend.length,
  });
  const spoken = { ...around, spoken: parsed.spoken };
  const byWords = lentScores(text.memories, spoken, tuning);
  const byMeaning = lentScores(vectors.memories, spoken, tuning);
  const fusion = tuning.fusion ?? query.embedder?.fusion ?? TEXT_ALONE;
  const best = fuse(byWords, byMeaning, fusion).slice(0, limit);
  const places = {
    text: placesOf(byWords),
    vector: placesOf(byMeaning),
    nearest: new Map(vectors.nearest.map((item) => [item.memory, item])),
  };
  const [described, contexts] = await Promise.all([
    describe(
      db,
      search.scope,
      best.map(({ memory }) => ({ memory, fact: factOf(places.nearest.get(memory)) })),
    ),
    contextOf(db, {
      memories: best.map(({ memory }) => memory),
      scope: search.scope,
      which: neighbours,
      reach: CONTEXT,
    }),
  ]);
  const hits = best.flatMap(({ memory, score }) => {
    const row = described.get(memory);
    return row === undefined ? [] : [hitOf(row, score, places, contexts.get(memory), parsed)];
  });
  return { hits, notes: await notesOf(search, hits, text, vectors) };
}

/** Without an embedder there is one ranking, whose order any weight keeps. */
const TEXT_ALONE = { textWeight: 1, vectorWeight: 0, k: 10 } as const;

interface Search {
  readonly db: Queryable;
  readonly query: RecallQuery;
  readonly parsed: ParsedQuery;
  readonly tuning: Tuning;
  readonly scope: Scope;
  readonly bounds: RecallBounds;
  readonly candidates: number;
  readonly enough: number;
}

async function byText({
  db,
  query,
  parsed,
  tuning,
  scope,
  bounds,
  candidates,
}: Search): Promise<TextRanking> {
  if (query.halves === 'vectors') return { memories: [] };
  return await textRanking(db, {
    words: parsed.words,
    scope,
    statistics: await tenantStatistics(db, query.tenant),
    tuning: tuning.text,
    mostMatches: bounds.textMatches,
    limit: candidates,
  });
}

interface VectorRanking extends Pick<NearestMemories, 'bound'> {
  readonly nearest: readonly Nearest[];
  /** By how far each exceeds the similarity that chance gives. */
  readonly memories: readonly { readonly memory: string; readonly score: number }[];
  /** Why the query has no vector. */
  readonly away?: string;
}

const NO_VECTORS: VectorRanking = { nearest: [], memories: [] };

async function byVectors({
  db,
  query,
  parsed,
  scope,
  bounds,
  candidates,
  enough,
}: Search): Promise<VectorRanking> {
  const { embedder, halves = 'both', signal } = query;
  if (embedder === undefined || halves === 'text') return NO_VECTORS;
  let vector: Float32Array | undefined;
  try {
    vector = await embedded(embedder, parsed.text, signal);
  } catch (error) {
    // Words can still be searched while the embedding service is away.
    if (!(error instanceof ProviderError) || halves === 'vectors') throw error;
    return { ...NO_VECTORS, away: error.message };
  }
  if (vector === undefined) return NO_VECTORS;
  const { space, noise } = embedder;
  const { nearest, ...bound } = await nearestMemories(db, {
    scope,
    tenantRows: (await tenantStatistics(db, query.tenant)).rows,
    space,
    vector,
    above: noise,
    limit: candidates,
    enough,
    bounds,
  });
  const memories = nearest.map(({ memory, similarity }) => ({ memory, score: similarity - noise }));
  return { nearest, memories, ...bound };
}

async function embedded(
  embedder: Embedder,
  text: string,
  signal: AbortSignal | undefined,
): Promise<Float32Array | undefined> {
  if (!embedder.remote) return embedder.embed([text])[0];
  const timeout = AbortSignal.timeout(EMBEDDER_TIMEOUT_MS);
  try {
    const both = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
    // An embedder may ignore its signal.
    const { vectors } = await raceAbort(embedder.embed([text], both), both);
    return vectors[0];
  } catch (error) {
    signal?.throwIfAborted();
    if (timeout.aborted) {
      throw new ProviderError('transient', `no answer within ${EMBEDDER_TIMEOUT_MS / 1_000} s`);
    }
    throw error;
  }
}

type Placed = Lent & { readonly rank: number };

function placesOf(ranking: readonly Lent[]): Map<string, Placed> {
  return new Map(ranking.map((item, index) => [item.memory, { ...item, rank: index + 1 }]));
}

function factOf(nearest: Nearest | undefined): number | undefined {
  return nearest?.target === 'fact' ? nearest.ordinal : undefined;
}

function hitOf(
  row: Described,
  score: number,
  places: {
    readonly text: ReadonlyMap<string, Placed>;
    readonly vector: ReadonlyMap<string, Placed>;
    readonly nearest: ReadonlyMap<string, Nearest>;
  },
  context: Context | undefined,
  parsed: ParsedQuery,
): RecallHit {
  const { memory, content, language, fact, role, name, ...known } = row;
  const text = places.text.get(memory);
  const vector = places.vector.get(memory);
  return {
    memory,
    score,
    ...(text === undefined
      ? {}
      : { text: { rank: text.rank, score: text.score, ownScore: text.ownScore } }),
    ...(vector === undefined
      ? {}
      : {
          vector: {
            rank: vector.rank,
            similarity: places.nearest.get(memory)?.similarity ?? null,
            matched: fact === null ? ('content' as const) : ('fact' as const),
            ...(fact === null ? {} : { fact }),
          },
        }),
    content,
    snippet: snippetOf(content, language, parsed.words),
    ...known,
    speaker: { role, name },
    context: context ?? { before: [], after: [] },
  };
}

async function notesOf(
  { db, query, bounds }: Search,
  hits: readonly RecallHit[],
  text: TextRanking,
  vectors: VectorRanking,
): Promise<RecallNote[]> {
  const notes: RecallNote[] = [];
  if (vectors.away !== undefined) {
    const message = `the query could not be embedded (${vectors.away}): words alone decided`;
    notes.push({ code: 'EMBEDDER_AWAY', message });
  }
  if (text.bound !== undefined) {
    const { textMatches } = bounds;
    const message =
      text.bound === 'cut'
        ? `every word of the query is in more memories than textMatches (${textMatches}): only some of them were ranked; ask with a rarer word, or narrow the scope`
        : `a word of the query is in more memories than textMatches (${textMatches}): it only added to what others found`;
    notes.push({ code: 'TEXT_BOUND_REACHED', message });
  }
  if (vectors.bound !== undefined) {
    const remedy =
      vectors.bound === 'comparedVectors' ? 'make an index ("memfleet vectors index")' : 'raise it';
    const message = `the scope has more vectors than ${vectors.bound} (${bounds[vectors.bound]}) lets one search look at, and nearer ones may be missing: narrow the scope, or ${remedy}`;
    notes.push({ code: 'VECTOR_BOUND_REACHED', message });
  }
  if (hits.length === 0 && !(await isKnown(db, query.tenant))) {
    notes.push({ code: 'UNKNOWN_TENANT', message: `no memory of tenant ${query.tenant} is known` });
  }
  return notes;
}

async function isKnown(db: Queryable, tenant: string): Promise<boolean> {
  const { rows } = await db.query<{ known: boolean }>({
    name: 'recall-tenant',
    text: 'select exists (select from memory.memories where tenant = $1) as known',
    values: [tenant],
  });
  return rows[0]?.known === true;
}
