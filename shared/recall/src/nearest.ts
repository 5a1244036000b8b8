import { type Queryable, realArray } from '@memfleet/runtime';
import { IN_SCOPE } from './scope.ts';
import { VectorMemory } from './vector-memory.ts';

/** The nearest vector of a memory: that of its content, or of one of its facts. */
export interface Nearest {
  readonly memory: string;
  readonly target: 'content' | 'fact';
  /** Which fact; 0 for the content. */
  readonly ordinal: number;
  /** Cosine similarity, -1 to 1. */
  readonly similarity: number;
}

export interface NearestQuery {
  /** The values of what `IN_SCOPE` reads. */
  readonly scope: readonly unknown[];
  readonly space: string;
  /** Of length 1. */
  readonly vector: Float32Array;
  /** Vectors less similar than this are left out. */
  readonly above: number;
  readonly limit: number;
}

export interface NearestMemories {
  /** Nearest first. */
  readonly nearest: readonly Nearest[];
  /** There are more vectors in the scope than were looked at. */
  readonly isBounded: boolean;
}

/**
 * Most vectors of a scope that one search looks at, the newest first: it is exact, so its time grows with
 * them. pgvector computes beside the rows; without it this process computes, and keeps what it has read.
 */
const MAX_SCANNED = { array: 10_000, vector: 100_000 } as const;

/** Memories of the scope by their nearest vector. */
export async function nearestMemories(
  db: Queryable,
  query: NearestQuery,
): Promise<NearestMemories> {
  return (await hasVectorColumn(db)) ? await nearestThere(db, query) : await nearestHere(db, query);
}

const vectorColumns = new WeakMap<Queryable, Promise<boolean>>();

/** Which of its two forms the migration gave the table, once and for all: see 0002_vectors.sql. */
async function hasVectorColumn(db: Queryable): Promise<boolean> {
  const known = vectorColumns.get(db);
  if (known !== undefined) return await known;
  const asked = db
    .query<{ is_array: boolean }>({
      name: 'vectors-column',
      text: `select typcategory = 'A' as is_array from pg_attribute
        join pg_type on pg_type.oid = atttypid
        where attrelid = 'memfleet.vectors'::regclass and attname = 'embedding'`,
    })
    .then(({ rows }) => rows[0]?.is_array === false);
  vectorColumns.set(db, asked);
  try {
    return await asked;
  } catch (error) {
    vectorColumns.delete(db);
    throw error;
  }
}

/**
 * The vectors of the scope, the newest first. A memory that was revised may have fewer facts than before:
 * vectors of facts that are no more are told by their digest. `offset 0` has each memory looked up by its
 * key: where a table has no statistics yet, the planner would compare every vector with every memory.
 */
const EMBEDDINGS_IN_SCOPE = `from memory.embeddings
  cross join lateral (
    select from memory.memories where memories.memory = embeddings.memory and ${IN_SCOPE} offset 0
  ) as seen
  left join memory.facts on embeddings.target = 'fact' and facts.tenant = embeddings.tenant
    and facts.memory = embeddings.memory and facts.ordinal = embeddings.ordinal
  where embeddings.tenant = $1 and embeddings.space = $11
    and (embeddings.target = 'content' or embeddings.content_sha256
      = encode(sha256(convert_to(facts.text, 'UTF8')), 'hex'))
  order by embeddings.sequence desc
  limit $12 + 1`;

/** With pgvector, in the database. */
async function nearestThere(
  db: Queryable,
  { scope, space, vector, above, limit }: NearestQuery,
): Promise<NearestMemories> {
  const { rows } = await db.query<Nearest & { isBounded: boolean }>({
    name: 'recall-nearest',
    text: `with scanned as (
        select embeddings.memory, embeddings.target, embeddings.ordinal, embeddings.content_sha256
        ${EMBEDDINGS_IN_SCOPE}
      ), nearest as (
        select distinct on (memory) memory, target, ordinal,
          memfleet.cosine_similarity(embedding, $15::real[]) as similarity
        from scanned
        join memfleet.vectors on vectors.space = $11
          and vectors.content_sha256 = decode(scanned.content_sha256, 'hex')
        order by memory, similarity desc
      )
      select memory, target, ordinal, similarity,
        (select count(*) > $12 from scanned) as "isBounded"
      from nearest
      where similarity > $13
      order by similarity desc
      limit $14`,
    values: [...scope, space, MAX_SCANNED.vector, above, limit, realArray([vector])],
  });
  return { nearest: rows.toSorted(byNearness), isBounded: rows[0]?.isBounded === true };
}

const memory = new VectorMemory();

/**
 * Without pgvector, in this process. In SQL an element of an array costs as much as a row here: 1,200
 * vectors took 40 ms there, and take 1 ms once they have been read.
 */
async function nearestHere(
  db: Queryable,
  { scope, space, vector, above, limit }: NearestQuery,
): Promise<NearestMemories> {
  const { rows } = await db.query<Omit<Nearest, 'similarity'> & { digest: string }>({
    name: 'recall-embeddings',
    text: `select embeddings.memory, embeddings.target, embeddings.ordinal,
        embeddings.content_sha256 as digest
      ${EMBEDDINGS_IN_SCOPE}`,
    values: [...scope, space, MAX_SCANNED.array],
  });
  const scanned = rows.slice(0, MAX_SCANNED.array);
  const vectors = await memory.read(db, space, new Set(scanned.map(({ digest }) => digest)));
  const best = new Map<string, Nearest>();
  const similarityTo = similarityOf(vector);
  for (const { digest, ...item } of scanned) {
    const stored = vectors.get(digest);
    if (stored === undefined) continue;
    const similarity = similarityTo(stored);
    if (similarity > above && similarity > (best.get(item.memory)?.similarity ?? -1)) {
      best.set(item.memory, { ...item, similarity });
    }
  }
  return {
    nearest: [...best.values()].toSorted(byNearness).slice(0, limit),
    isBounded: rows.length > scanned.length,
  };
}

function byNearness(a: Nearest, b: Nearest): number {
  return b.similarity - a.similarity || (a.memory < b.memory ? -1 : 1);
}

/** The dot product of vectors of length 1 is their cosine; a short text has few places that are not 0. */
function similarityOf(query: Float32Array): (stored: Float32Array) => number {
  const places = [...query.keys()].filter((place) => query[place] !== 0);
  return (stored) => {
    let sum = 0;
    for (const place of places) sum += (query[place] ?? 0) * (stored[place] ?? 0);
    return sum;
  };
}
