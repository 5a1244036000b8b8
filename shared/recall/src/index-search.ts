import { vectorIndexName } from '@memfleet/projections';
import { type Queryable, realArray } from '@memfleet/runtime';
import { IS_CURRENT, WITH_FACTS } from './exact-search.ts';
import type { Compared, Nearest, NearestQuery } from './nearest-query.ts';

/** An index scan looks at more than this before it returns the first. */
const SMALLEST_STEP = 64;
/** How much a filter leaves is known only once some are found: the first step with a filter is cheap. */
const FIRST_STEP_NARROW = 200;
/** The scope's share of the nearest vectors differs from step to step. */
const MARGIN = 1.5;
const WIDEST_GROWTH = 16;

interface Known {
  readonly vectors: Promise<number | undefined>;
  readonly goodUntil: number;
}

const LOOK_MS = 10_000;
const indexes = new WeakMap<Queryable, Map<string, Known>>();

/** The approximate number of vectors in the index of a space; undefined without one. Read every 10 s. */
export async function indexedVectors(db: Queryable, space: string): Promise<number | undefined> {
  const spaces = indexes.get(db) ?? new Map<string, Known>();
  indexes.set(db, spaces);
  const known = spaces.get(space);
  if (known !== undefined && known.goodUntil > performance.now()) return await known.vectors;
  const vectors = db
    .query<{ vectors: number }>({
      name: 'recall-index',
      text: `select greatest(reltuples, 0)::float8 as vectors
        from pg_index join pg_class on pg_class.oid = indexrelid
        where indexrelid = to_regclass('memfleet.' || $1) and indisvalid
          and to_regproc('memfleet.nearest_vectors') is not null`,
      values: [vectorIndexName(space)],
    })
    .then(({ rows }) => rows[0]?.vectors);
  spaces.set(space, { vectors, goodUntil: performance.now() + LOOK_MS });
  try {
    return await vectors;
  } catch (error) {
    spaces.delete(space);
    throw error;
  }
}

/**
 * Takes the nearest vectors of the space from its index, which has `indexed` vectors of all tenants, more
 * and more of them until enough are in the scope. They come nearest first, so those found by the time the
 * bound is reached are the best there are.
 */
export async function searchIndex(
  db: Queryable,
  query: NearestQuery,
  indexed: number,
): Promise<Compared> {
  const { scope, tenantRows, enough, above, bounds } = query;
  const most = bounds.indexedVectors;
  const ofTenant = Math.ceil(enough * MARGIN * Math.max(1, indexed / tenantRows));
  const least = scope.isNarrow ? FIRST_STEP_NARROW : SMALLEST_STEP;
  for (let step = Math.min(Math.max(least, ofTenant), most); ;) {
    const { vectors, taken, furthest } = await takeNearest(db, query, step);
    const found = new Set(vectors.map(({ memory }) => memory)).size;
    if (found >= enough || taken < step || furthest <= above) return { vectors };
    if (step >= most) return { vectors, bound: 'indexedVectors' };
    const growth = Math.min(WIDEST_GROWTH, Math.max(2, (enough / Math.max(found, 1)) * MARGIN));
    step = Math.min(most, Math.ceil(step * growth));
  }
}

interface Taken {
  readonly vectors: readonly Nearest[];
  /** Vectors that the index returned, of all tenants. */
  readonly taken: number;
  /** Similarity of the last of them. */
  readonly furthest: number;
}

/** Reads only vectors in the scope: a vector takes two kilobytes or more. */
const similarityOf = (key: string): string => `(
        select memfleet.cosine_similarity(vectors.embedding, $12::real[]) from memfleet.vectors
        where vectors.space = $11 and vectors.content_sha256 = ${key})`;

async function takeNearest(
  db: Queryable,
  { scope, space, vector }: NearestQuery,
  step: number,
): Promise<Taken> {
  type Row = Omit<Nearest, 'memory'> & {
    memory: string | null;
    taken: number;
    furthest: number | null;
  };
  const { rows } = await db.query<Row>({
    name: `recall-index-${scope.shape}`,
    text: `with taken as materialized (
        select content_sha256, encode(content_sha256, 'hex') as digest, place
        from memfleet.nearest_vectors($11, $12::real[], $13) with ordinality as taken (content_sha256, place)
      ), found as (
        select found.*, taken.content_sha256 as key
        from taken
        cross join lateral (
          select memory, target, ordinal, content_sha256, sequence from memory.embeddings
          where space = $11 and content_sha256 = taken.digest and tenant = $1 offset 0
        ) as found
        cross join lateral (
          select memories.content_sequence from memory.memories
          where memories.memory = found.memory and ${scope.seen} offset 0
        ) as seen
        ${WITH_FACTS}
        where ${IS_CURRENT}
      )
      select found.memory, found.target, found.ordinal, ${similarityOf('found.key')} as similarity,
        summary.taken, summary.furthest
      from (
        select last.place::int as taken, ${similarityOf('last.content_sha256')} as furthest
        from taken as last order by place desc limit 1
      ) as summary left join found on true`,
    values: [...scope.values, space, realArray([vector]), step],
  });
  const vectors = rows.flatMap(({ memory, target, ordinal, similarity }) =>
    memory === null ? [] : [{ memory, target, ordinal, similarity }],
  );
  return { vectors, taken: rows[0]?.taken ?? 0, furthest: rows[0]?.furthest ?? -1 };
}
