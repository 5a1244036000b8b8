import { createHash } from 'node:crypto';
import {
  type Client,
  type Pool,
  RuntimeError,
  sqlState,
  withoutTimeLimit,
} from '@memfleet/runtime';

/** From this version on, pgvector scans until it has found as many rows as were asked for. */
const OLDEST_EXTENSION = '0.8';
/** The index stores half-precision values, and takes at most this many. */
const MOST_DIMENSIONS = 4_000;
/** Bytes per vector besides its values: its neighbours in 16 to 32 directions. */
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
    /** `broken`: its build was interrupted; the next run builds it again. */
    readonly state: 'none' | 'building' | 'broken' | 'ready';
    readonly bytes: number;
    /** Memory that a fast build needs. */
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
  /** Most memory the server may use; with less than `buildBytes` the build takes several times as long. */
  readonly memoryBytes: number;
  readonly onProgress?: (share: number) => void;
}

/** A number that no other lock of ours uses: "vectors" in ASCII. */
const LOCK = '33325517117977203';
/** SQLSTATE disk_full, which shared memory reports as well. */
const DISK_FULL = '53100';
/**
 * Of the 200 nearest among 100,000 vectors, a build with 200 finds 198, and one with pgvector's default of
 * 64, which takes a third of the time, finds 196; with a filter that 1 in 100 passes, 194 and 190.
 */
const EF_CONSTRUCTION = 128;
const PROGRESS_MS = 1_000;

/**
 * Builds the index of a space while others read and write. It keeps an existing index, and rebuilds one
 * whose build was interrupted.
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
    // Of two concurrent builds, the second would wait for the first, and then build everything again.
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
    // Not in a transaction: `concurrently` does not allow one.
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
      // Parallel builds use shared memory, of which a container has little; one process uses its own.
      await client.query('set max_parallel_maintenance_workers = 0');
      await create();
    }
    return true;
  } finally {
    await endWatch?.();
    // Ends the connection, and with it the settings and the lock.
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
 * Finds the nearest vectors of a space through its index, nearest first. It is a function because its
 * settings must apply to this scan alone, and because the statement's text must contain the condition of
 * a partial index.
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

/** @returns a function that ends the watch */
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
    // Progress is only shown: a failed look changes nothing.
    last = last.then(look).catch(() => undefined);
  }, PROGRESS_MS);
  return async () => {
    clearInterval(timer);
    await last;
  };
}
