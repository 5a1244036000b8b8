import type { Queryable } from '@memfleet/runtime';
import type { Embedder } from './embedder.ts';
import { type Nearest, nearestMemories } from './nearest.ts';
import { reciprocalRankFusion } from './rank-fusion.ts';

export interface RecallQuery {
  /** Nothing of another tenant is looked at. */
  readonly tenant: string;
  /**
   * Free text, of which the first 2,000 characters count; the full-text part knows "quoted phrases",
   * `or` and -exclusions.
   */
  readonly query: string;
  /** The one the vectors were made with; without it, or without vectors, full text alone decides. */
  readonly embedder: Embedder | undefined;
  /** Most memories to return. */
  readonly limit: number;
  readonly signal?: AbortSignal;
}

/** A memory that answers a query. */
export interface Recalled {
  readonly memory: string;
  /** Sum of reciprocal ranks: comparable within one answer only. */
  readonly score: number;
  readonly content: string;
  /** Null for a memory of which the log tells revisions only; so is importance. */
  readonly kind: string | null;
  readonly importance: number | null;
  /** When it was created, or else first known. */
  readonly created_at: Date;
  readonly revised_at: Date | null;
  /** What of the memory is nearest to the query. */
  readonly matched: 'content' | 'fact';
  /** The fact, when it is one that matched. */
  readonly fact?: string;
  /** Place in the full-text ranking, from 1; absent where the words are not in the content. */
  readonly fullTextRank?: number;
  /** Cosine similarity to the query; absent where no vector is near. */
  readonly similarity?: number;
}

/** How many memories each ranking offers for one that is returned: the merged order needs a choice. */
const CANDIDATES_PER_RESULT = 5;
const MIN_CANDIDATES = 50;
/** Ranking takes time with the square of a query's length: 10,000 words took 11 s. */
const LONGEST_QUERY = 2_000;

/**
 * Finds memories by full text and by vector, and merges the two rankings. Forgotten and superseded
 * memories are never returned: one is gone, the other is wrong by now. The only call to a model is
 * the one that embeds the query.
 * @throws ProviderError when the query cannot be embedded
 */
export async function recall(db: Queryable, input: RecallQuery): Promise<Recalled[]> {
  const { tenant, limit } = input;
  // What PostgreSQL refuses in text has no meaning in a question either.
  const query = input.query.slice(0, LONGEST_QUERY).replaceAll('\u0000', ' ').toWellFormed();
  const candidates = Math.max(MIN_CANDIDATES, limit * CANDIDATES_PER_RESULT);
  const [fullText, nearest] = await Promise.all([
    fullTextRanking(db, tenant, query, candidates),
    vectorRanking(db, { ...input, query }, candidates),
  ]);
  const ranked = reciprocalRankFusion([fullText, nearest.map(({ memory }) => memory)]);
  const best = ranked.slice(0, limit);
  const byMemory = new Map(nearest.map((item) => [item.memory, item]));
  const places = new Map(fullText.map((memory, index) => [memory, index + 1]));
  const described = await describe(
    db,
    tenant,
    best.map(({ item }) => ({ memory: item, fact: factOf(byMemory.get(item)) })),
  );
  return best.flatMap(({ item, score }) => {
    const row = described.get(item);
    // Forgotten between the two statements.
    if (row === undefined) return [];
    const { fact, ...memory } = row;
    const near = byMemory.get(item);
    const place = places.get(item);
    return [
      {
        ...memory,
        score,
        matched: fact === null ? ('content' as const) : ('fact' as const),
        ...(fact === null ? {} : { fact }),
        ...(place === undefined ? {} : { fullTextRank: place }),
        ...(near === undefined ? {} : { similarity: near.similarity }),
      },
    ];
  });
}

async function fullTextRanking(
  db: Queryable,
  tenant: string,
  query: string,
  limit: number,
): Promise<string[]> {
  const { rows } = await db.query<{ memory: string }>({
    name: 'recall-full-text',
    // The expression must be exactly that of the index on the table.
    text: `select memory
      from memory.memories, websearch_to_tsquery('english', $2) as query
      where tenant = $1 and forgotten_at is null and superseded_at is null
        and to_tsvector('english', content) @@ query
      order by ts_rank_cd(to_tsvector('english', content), query) desc, sequence desc
      limit $3`,
    values: [tenant, query, limit],
  });
  return rows.map((row) => row.memory);
}

async function vectorRanking(
  db: Queryable,
  { tenant, query, embedder, signal }: RecallQuery,
  limit: number,
): Promise<Nearest[]> {
  if (embedder === undefined || query.trim() === '') return [];
  const [vector] = embedder.remote
    ? (await embedder.embed([query], signal ?? new AbortController().signal)).vectors
    : embedder.embed([query]);
  if (vector === undefined) return [];
  const { space, noise } = embedder;
  return await nearestMemories(db, { tenant, space, vector, above: noise, limit });
}

function factOf(nearest: Nearest | undefined): number | undefined {
  return nearest?.target === 'fact' ? nearest.ordinal : undefined;
}

type Described = Pick<
  Recalled,
  'memory' | 'content' | 'kind' | 'importance' | 'created_at' | 'revised_at'
> & { readonly fact: string | null };

async function describe(
  db: Queryable,
  tenant: string,
  wanted: readonly { readonly memory: string; readonly fact: number | undefined }[],
): Promise<Map<string, Described>> {
  if (wanted.length === 0) return new Map();
  const { rows } = await db.query<Described>({
    name: 'recall-describe',
    text: `select memories.memory, memories.content, memories.kind, memories.importance,
        coalesce(memories.created_at, memories.revised_at) as created_at, memories.revised_at,
        facts.text as fact
      from unnest($2::text[], $3::int[]) as wanted (memory, fact)
      join memory.memories on memories.tenant = $1 and memories.memory = wanted.memory
      left join memory.facts on facts.tenant = $1 and facts.memory = wanted.memory
        and facts.ordinal = wanted.fact
      where memories.content is not null
        and memories.forgotten_at is null and memories.superseded_at is null`,
    values: [tenant, wanted.map((item) => item.memory), wanted.map((item) => item.fact ?? null)],
  });
  return new Map(rows.map((row) => [row.memory, row]));
}
