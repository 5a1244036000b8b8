import { type Queryable, realArray } from '@memfleet/runtime';
import type { Compared, Nearest, NearestQuery } from './nearest-query.ts';
import { VectorMemory } from './vector-memory.ts';

/** Compares the vectors of every memory in the scope; beyond the bound, only the newest. */
export async function compareAll(db: Queryable, query: NearestQuery): Promise<Compared> {
  return await compare(db, query, `all-${query.scope.shape}`, ofAll(query.scope.seen));
}

/**
 * Where an index leads to the memories of the scope, compares the vectors of the newest of them; otherwise
 * the newest vectors of the tenant, as far as they are in the scope.
 */
export async function compareNewest(db: Queryable, query: NearestQuery): Promise<Compared> {
  const { seen, shape, indexed } = query.scope;
  return indexed === undefined
    ? await compare(db, query, `newest-${shape}`, ofNewestVectors(seen))
    : await compare(db, query, `newest-${shape}`, ofNewestMemories(seen));
}

/**
 * Whether a vector is that of a text the memory still has. A memory may have been revised since, and its new
 * content is not embedded yet; a newer extraction may have fewer facts, whose vectors the digest identifies.
 */
export const IS_CURRENT = `found.sequence >= seen.content_sequence and (found.target = 'content'
  or found.content_sha256 = encode(sha256(convert_to(facts.text, 'UTF8')), 'hex'))`;
export const WITH_FACTS = `left join memory.facts on found.target = 'fact' and facts.tenant = $1
  and facts.memory = found.memory and facts.ordinal = found.ordinal`;

const VECTOR = 'embeddings.memory, target, ordinal, content_sha256, embeddings.sequence';

/**
 * Each way to choose candidates consists of `candidates`, at most $12 and one more, newest first, which says
 * that there are others; and of the part of them that counts.
 *
 * @param memories selects memories, and whether there are more of them
 *
 * `offset 0` makes PostgreSQL look each row up by its key: without statistics the planner would compare
 * every row with every other.
 */
const vectorsOf = (memories: string): string => `
  candidates as materialized (
    select found.*, seen.is_bounded
    from (${memories}) as seen
    cross join lateral (
      select ${VECTOR} from memory.embeddings
      where embeddings.tenant = $1 and embeddings.memory = seen.memory and embeddings.space = $11 offset 0
    ) as found
    ${WITH_FACTS}
    where ${IS_CURRENT}
    order by found.sequence desc
    limit $12::int + 1
  ), found as materialized (
    select * from candidates order by sequence desc limit $12
  )`;

const ofAll = (seen: string): string =>
  vectorsOf(
    `select memories.memory, memories.content_sequence, false as is_bounded
      from memory.memories where ${seen} offset 0`,
  );

const ofNewestMemories = (seen: string): string =>
  vectorsOf(`
    select newest.*, count(*) over () > $12 as is_bounded from (
      select memories.memory, memories.content_sequence, memories.position
      from memory.memories where ${seen}
        and exists (select from memory.embeddings where embeddings.tenant = $1
          and embeddings.memory = memories.memory and embeddings.space = $11)
      order by memories.position desc
      limit $12::int + 1
    ) as newest
    order by newest.position desc
    limit $12`);

/** The newest of the tenant are looked at; how many of them are in the scope is not known before. */
const ofNewestVectors = (seen: string): string => `
  candidates as materialized (
    select ${VECTOR}, false as is_bounded from memory.embeddings
    where tenant = $1 and space = $11
    order by sequence desc
    limit $12::int + 1
  ), found as materialized (
    select found.* from (select * from candidates order by sequence desc limit $12) as found
    cross join lateral (
      select memories.content_sequence from memory.memories
      where memories.memory = found.memory and ${seen} offset 0
    ) as seen
    ${WITH_FACTS}
    where ${IS_CURRENT}
  )`;

const BOUND = `(select coalesce(bool_or(is_bounded), false) or count(*) > $12 as is_bounded
  from candidates) as bound`;

async function compare(
  db: Queryable,
  query: NearestQuery,
  name: string,
  candidates: string,
): Promise<Compared> {
  const compareWhere = (await hasVectorColumn(db)) ? compareThere : compareHere;
  return await compareWhere(db, query, name, candidates);
}

const vectorColumns = new WeakMap<Queryable, Promise<boolean>>();

/** Which of its two forms the migration gave the table for good: see 0002_vectors.sql. */
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

interface ThereRow extends Nearest {
  readonly isBounded: boolean;
}

/** With pgvector, compares in the database; only the best rows are returned. */
async function compareThere(
  db: Queryable,
  { scope, space, vector, above, limit, bounds }: NearestQuery,
  name: string,
  candidates: string,
): Promise<Compared> {
  const { rows } = await db.query<ThereRow | { isBounded: boolean; memory: null }>({
    name: `recall-compare-${name}`,
    text: `with ${candidates}, nearest as (
        select distinct on (memory) memory, target, ordinal,
          memfleet.cosine_similarity(embedding, $15::real[]) as similarity
        from found
        join memfleet.vectors on vectors.space = $11
          and vectors.content_sha256 = decode(found.content_sha256, 'hex')
        order by memory, similarity desc
      ), best as (
        select * from nearest where similarity > $13 order by similarity desc limit $14
      )
      select best.*, bound.is_bounded as "isBounded" from ${BOUND} left join best on true`,
    values: [...scope.values, space, bounds.comparedVectors, above, limit, realArray([vector])],
  });
  return {
    vectors: rows.filter((row): row is ThereRow => row.memory !== null),
    ...boundOf(rows[0]?.isBounded),
  };
}

function boundOf(isBounded: boolean | undefined): Pick<Compared, 'bound'> {
  return isBounded === true ? { bound: 'comparedVectors' } : {};
}

/** A memory, its fact (null for the content), and the digest of the text; whether there are more. */
type Found = [memory: string, fact: number | null, digest: string, isBounded: boolean];
/** When nothing was found. */
type NothingFound = [memory: null, fact: null, digest: null, isBounded: boolean];

const memory = new VectorMemory();

/**
 * Without pgvector, compares in this process. In SQL an element of an array costs as much as a row here:
 * 1,200 vectors took 40 ms there, and take 1 ms here once they have been read.
 */
async function compareHere(
  db: Queryable,
  { scope, space, vector, bounds }: NearestQuery,
  name: string,
  candidates: string,
): Promise<Compared> {
  const { rows } = await db.query<Found | NothingFound>({
    name: `recall-found-${name}`,
    text: `with ${candidates}
      select memory, case target when 'fact' then ordinal end, content_sha256, bound.is_bounded
      from ${BOUND} left join found on true`,
    values: [...scope.values, space, bounds.comparedVectors],
    // There are hundreds of rows: as objects they take half as long again.
    rowMode: 'array',
  });
  const found = rows.filter((row): row is Found => row[0] !== null);
  const vectors = await memory.read(db, space, new Set(found.map(([, , digest]) => digest)));
  const similarityTo = similarityOf(vector);
  return {
    vectors: found.flatMap(([id, fact, digest]): readonly Nearest[] => {
      const stored = vectors.get(digest);
      if (stored === undefined) return [];
      const similarity = similarityTo(stored);
      return fact === null
        ? [{ memory: id, target: 'content', ordinal: 0, similarity }]
        : [{ memory: id, target: 'fact', ordinal: fact, similarity }];
    }),
    ...boundOf(rows[0]?.[3]),
  };
}

/** The dot product of vectors of length 1 is their cosine; a short text has few non-zero dimensions. */
function similarityOf(query: Float32Array): (stored: Float32Array) => number {
  const places = [...query.keys()].filter((place) => query[place] !== 0);
  return (stored) => {
    let sum = 0;
    for (const place of places) sum += (query[place] ?? 0) * (stored[place] ?? 0);
    return sum;
  };
}
