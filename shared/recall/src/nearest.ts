import type { Queryable } from '@memfleet/runtime';
import { realArray } from './real-array.ts';

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
  readonly tenant: string;
  readonly space: string;
  /** Of length 1. */
  readonly vector: Float32Array;
  /** Vectors less similar than this are left out. */
  readonly above: number;
  readonly limit: number;
}

/**
 * Most vectors of a tenant that one recall looks at, the newest first: the search is exact, so its
 * time grows with them. Measured with arrays of 512 dimensions: 10,000 in 0.3 s for a short lexical
 * query, which has few places that are not 0, and in 0.6 s for a dense one. pgvector computes in C.
 */
const MAX_SCANNED = { array: 10_000, vector: 100_000 } as const;

/** Memories of one tenant by their nearest vector, nearest first; none forgotten or superseded. */
export async function nearestMemories(db: Queryable, query: NearestQuery): Promise<Nearest[]> {
  const statement = (await hasVectorColumn(db)) ? vectorStatement(query) : arrayStatement(query);
  const { rows } = await db.query<Nearest>(statement);
  return rows.toSorted((a, b) => b.similarity - a.similarity);
}

/** Which of its two forms the migration gave the table: see 0002_vectors.sql. */
async function hasVectorColumn(db: Queryable): Promise<boolean> {
  const { rows } = await db.query<{ is_array: boolean }>({
    name: 'vectors-column',
    text: `select typcategory = 'A' as is_array from pg_attribute
      join pg_type on pg_type.oid = atttypid
      where attrelid = 'memfleet.vectors'::regclass and attname = 'embedding'`,
  });
  return rows[0]?.is_array === false;
}

function vectorStatement({ tenant, space, vector, above, limit }: NearestQuery) {
  return {
    name: 'recall-nearest-vector',
    text: VECTOR_SQL,
    values: [tenant, space, MAX_SCANNED.vector, above, limit, realArray([vector])],
  };
}

function arrayStatement({ tenant, space, vector, above, limit }: NearestQuery) {
  // A short text has few features: only the places that are not 0 are multiplied.
  const places = [...vector.keys()].filter((place) => vector[place] !== 0);
  const values = Float32Array.from(places, (place) => vector[place] ?? 0);
  return {
    name: 'recall-nearest-array',
    text: ARRAY_SQL,
    values: [
      tenant,
      space,
      MAX_SCANNED.array,
      above,
      limit,
      places.map((place) => place + 1),
      realArray([values]),
    ],
  };
}

/**
 * A memory that was revised may have fewer facts than before: vectors of facts that are no more are
 * told by their digest.
 */
const VECTOR_SQL = `
with scanned as (
  select embeddings.memory, embeddings.target, embeddings.ordinal, vectors.embedding
  from memory.embeddings
  join memory.memories using (tenant, memory)
  left join memory.facts on embeddings.target = 'fact' and facts.tenant = embeddings.tenant
    and facts.memory = embeddings.memory and facts.ordinal = embeddings.ordinal
  join memfleet.vectors on vectors.space = embeddings.space
    and vectors.content_sha256 = decode(embeddings.content_sha256, 'hex')
  where embeddings.tenant = $1 and embeddings.space = $2
    and memories.content is not null
    and memories.forgotten_at is null and memories.superseded_at is null
    and (embeddings.target = 'content' or embeddings.content_sha256
      = encode(sha256(convert_to(facts.text, 'UTF8')), 'hex'))
  order by embeddings.sequence desc
  limit $3
), nearest as (
  select distinct on (memory) memory, target, ordinal,
    memfleet.cosine_similarity(embedding, $6::real[]) as similarity
  from scanned
  order by memory, similarity desc
)
select memory, target, ordinal, similarity from nearest
where similarity > $4
order by similarity desc
limit $5`;

/**
 * The same without pgvector: the dot product of vectors of length 1 is their cosine. Adding an empty
 * array reads a vector that is stored out of line once, not once per element.
 */
const ARRAY_SQL = `
with scanned as materialized (
  select embeddings.memory, embeddings.target, embeddings.ordinal,
    vectors.embedding || '{}'::real[] as embedding
  from memory.embeddings
  join memory.memories using (tenant, memory)
  left join memory.facts on embeddings.target = 'fact' and facts.tenant = embeddings.tenant
    and facts.memory = embeddings.memory and facts.ordinal = embeddings.ordinal
  join memfleet.vectors on vectors.space = embeddings.space
    and vectors.content_sha256 = decode(embeddings.content_sha256, 'hex')
  where embeddings.tenant = $1 and embeddings.space = $2
    and memories.content is not null
    and memories.forgotten_at is null and memories.superseded_at is null
    and (embeddings.target = 'content' or embeddings.content_sha256
      = encode(sha256(convert_to(facts.text, 'UTF8')), 'hex'))
  order by embeddings.sequence desc
  limit $3
), nearest as (
  select distinct on (memory) memory, target, ordinal,
    (select sum(embedding[place]::float8 * value)
      from unnest($6::int[], $7::real[]) as query (place, value)) as similarity
  from scanned
  order by memory, similarity desc
)
select memory, target, ordinal, similarity from nearest
where similarity > $4
order by similarity desc
limit $5`;
