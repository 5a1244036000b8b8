import { createHash } from 'node:crypto';
import {
  type Client,
  type Pool,
  RuntimeError,
  sqlState,
  withoutTimeLimit,
} from '@memfleet/runtime';

/** From this version on, pgvector's scans go on until as many rows were found as were asked for. */
const OLDEST_EXTENSION = '0.8';
/** The index keeps values of half precision, of which it takes as many as this. */
const MOST_DIMENSIONS = 4_000;
/** Beside the values of a vector: its neighbours in 16 to 32 directions. */
const GRAPH_BYTES = 420;
const VALUE_BYTES = 2;

/** One index for each space: vectors of different spaces cannot be compared. */
export function vectorIndexName(space: string): string {
  return `vectors_near_${createHash('sha256').update(space).digest('hex').slice(0, 12)}`;
}

/** A space of vectors as it is stored. */
export interface VectorSpace {
  readonly space: string;
  readonly dimensions: number;
  readonly vectors: number;
  readonly index: {
    readonly name: string;
    /** `broken`: a build that did not end; it is made again. */
    readonly state: 'none' | 'building' | 'broken' | 'ready';
    readonly bytes: number;
    /** Memory that a quick build needs. */
    readonly buildBytes: number;
  };
}

/** Every space that has vectors. */
export async function vectorSpaces(pool: Pool): Promise<VectorSpace[]> {
  const { rows } = await pool.query<{ space: string; dimensions: number; vectors: string }>(
    `select space, max(dimensions) as dimensions, count(*) as vectors
      from memfleet.vectors group by space order by space`,
  );
  return await Promise.all(
    rows.map(async ({ space, dimensions, vectors }) => {
      const name = vectorIndexName(space);
      const { rows: found } = await pool.query<
        Pick<VectorSpace['index'], 'state'> & { bytes: string }
      >(
        `select pg_relation_size(indexrelid) as bytes, case
            when indisvalid then 'ready'
            when exists (select from pg_stat_progress_create_index where index_relid = indexrelid)
              then 'building'
            else 'broken' end as state
          from pg_index where indexrelid = to_regclass('memfleet.' || $1)`,
        [name],
      );
      const [index] = found;
      return {
        space,
        dimensions,
        vectors: Number(vectors),
        index: {
          name,
          state: index?.state ?? 'none',
          bytes: Number(index?.bytes ?? 0),
          buildBytes: Number(vectors) * (dimensions * VALUE_BYTES + GRAPH_BYTES),
        },
      };
    }),
  );
}

export interface IndexBuild {
  /** Most memory the server may use for it; with less than `buildBytes` it takes several times as long. */
  readonly memoryBytes: number;
  readonly onProgress?: (share: number) => void;
}

/** Any number that no other lock of ours has: "vectors" in ASCII. */
const LOCK = '33325517117977203';
/** SQLSTATE disk_full, which shared memory reports as well. */
const DISK_FULL = '53100';
/**
 * Of 200 nearest of 100,000 vectors 198 are found with 200 and 196 with pgvector's own 64, which is built in
 * a third of the time; with a filter that 1 in 100 passes 194 and 190.
 */
const EF_CONSTRUCTION = 128;
const PROGRESS_MS = 1_000;

/**
 * Makes the index of a space while others read and write. One that is there stays; one whose build was cut
 * off is made again.
 * @returns whether there was something to do
 * @throws RuntimeError VECTORS_NOT_INDEXABLE, with the reason and what to do
 */
export async function makeVectorIndex(
  pool: Pool,
  { space, dimensions, index }: VectorSpace,
  { memoryBytes, onProgress }: IndexBuild,
): Promise<boolean> {
  if (dimensions > MOST_DIMENSIONS) {
    throw new RuntimeError(
      'VECTORS_NOT_INDEXABLE',
      `vectors of ${dimensions} dimensions cannot be indexed: pgvector takes at most ${MOST_DIMENSIONS}; choose a model with fewer`,
    );
  }
  const client = await pool.connect();
  const endWatch = onProgress === undefined ? undefined : watchBuild(pool, index.name, onProgress);
  try {
    const schema = await extensionSchema(client);
    // Of two builds at once the second would wait for the first, and then make it all again.
    const { rows } = await client.query<{ locked: boolean }>(
      `select pg_try_advisory_lock(${LOCK}) as locked`,
    );
    if (rows[0]?.locked !== true) {
      throw new RuntimeError(
        'VECTORS_NOT_INDEXABLE',
        'an index of vectors is being made by another session: "memfleet vectors status" says when it is ready',
      );
    }
    await client.query(functionSql(schema));
    const spaces = await vectorSpaces(pool);
    if (spaces.some((now) => now.space === space && now.index.state === 'ready')) return false;
    // Not in a transaction, which `concurrently` does not take.
    await client.query('set statement_timeout = 0');
    await client.query(`set maintenance_work_mem = '${Math.floor(memoryBytes / 1_024)}kB'`);
    const create = async (): Promise<void> => {
      await client.query(
        withoutTimeLimit(`drop index concurrently if exists memfleet.${index.name}`),
      );
      await client.query(
        withoutTimeLimit(`create index concurrently ${index.name} on memfleet.vectors
          using hnsw ((embedding::${schema}.halfvec(${dimensions})) ${schema}.halfvec_cosine_ops)
          with (ef_construction = ${EF_CONSTRUCTION})
          where space = ${client.escapeLiteral(space)}`),
      );
    };
    try {
      await create();
    } catch (error) {
      if (sqlState(error) !== DISK_FULL) throw error;
      // Several processes build in shared memory, of which a container has little; one builds in its own.
      await client.query('set max_parallel_maintenance_workers = 0');
      await create();
    }
    return true;
  } finally {
    await endWatch?.();
    // With its settings and its lock.
    client.release(true);
  }
}

/** The schema that the extension is in, as an identifier. */
async function extensionSchema(client: Client): Promise<string> {
  const { rows } = await client.query<{ schema: string; version: string; old: boolean }>(
    `select quote_ident(nspname) as schema, extversion as version,
        string_to_array(extversion, '.')::int[] < string_to_array($1, '.')::int[] as old
      from pg_extension join pg_namespace on pg_namespace.oid = extnamespace
      where extname = 'vector' and exists (
        select from pg_attribute join pg_type on pg_type.oid = atttypid
        where attrelid = 'memfleet.vectors'::regclass and attname = 'embedding'
          and typcategory <> 'A')`,
    [OLDEST_EXTENSION],
  );
  const [found] = rows;
  if (found === undefined) {
    throw new RuntimeError(
      'VECTORS_NOT_INDEXABLE',
      'this database keeps its vectors without pgvector, which makes the index: install the extension before the fleet is provisioned',
    );
  }
  if (found.old) {
    throw new RuntimeError(
      'VECTORS_NOT_INDEXABLE',
      `pgvector ${found.version} is too old: install ${OLDEST_EXTENSION} or newer, then run "alter extension vector update"`,
    );
  }
  return found.schema;
}

/**
 * The nearest vectors of a space by its index, nearest first. A function, since its settings must hold for
 * this scan alone, and a condition of an index on a part of a table must stand in the text of the statement.
 */
const functionSql = (schema: string): string => `
create or replace function memfleet.nearest_vectors(of_space text, query real[], most int)
  returns table (content_sha256 bytea)
  language plpgsql stable
  set hnsw.iterative_scan = relaxed_order
  set hnsw.ef_search = 400
  set hnsw.max_scan_tuples = 2147483647
  set hnsw.scan_mem_multiplier = 16
  set enable_seqscan = off
  set enable_sort = off
as $$
begin
  return query execute format(
    'select content_sha256 from memfleet.vectors where space = %1$L
      order by embedding::${schema}.halfvec(%2$s) operator(${schema}.<=>) $1::${schema}.halfvec(%2$s)
      limit $2', of_space, cardinality(query))
    using query, most;
end $$`;

/** @returns what ends it */
function watchBuild(
  pool: Pool,
  name: string,
  onProgress: (share: number) => void,
): () => Promise<void> {
  const look = async (): Promise<void> => {
    const { rows } = await pool.query<{ share: number | null }>(
      `select blocks_done::float8 / nullif(blocks_total, 0) as share
        from pg_stat_progress_create_index join pg_class on pg_class.oid = index_relid
        where relname = $1`,
      [name],
    );
    const share = rows[0]?.share;
    if (typeof share === 'number') onProgress(share);
  };
  let last = Promise.resolve();
  const timer = setInterval(() => {
    // What is shown meanwhile decides nothing.
    last = last.then(look).catch(() => undefined);
  }, PROGRESS_MS);
  return async () => {
    clearInterval(timer);
    await last;
  };
}
