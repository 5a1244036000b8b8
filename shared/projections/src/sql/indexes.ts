import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type Pool, type Queryable, withoutTimeLimit } from '@memfleet/runtime';
import { schemaOf } from '../lane-names.ts';

interface Index {
  readonly name: string;
  readonly definition: string;
}

/**
 * Drops the indexes that only readers need. A rebuild inserts rows in random key order, and building an
 * index over a full table takes a fraction of the time of inserting its entries one by one. Unique
 * indexes stay: the upserts need them. Runs in a transaction.
 * @returns their definitions
 */
export async function deferIndexes(client: Client, schema: string): Promise<string[]> {
  // A definition qualifies a function with its schema only when the search path does not include it, and
  // the session that builds the index later has another search path.
  await client.query('set local search_path to pg_catalog');
  const { rows } = await client.query<Index>(
    `select format('%I.%I', nspname, entry.relname) as name,
        pg_get_indexdef(indexrelid) as definition
      from pg_index
      join pg_class as entry on entry.oid = indexrelid
      join pg_namespace on pg_namespace.oid = entry.relnamespace
      where nspname = $1 and not indisunique and not indisexclusion
      order by name`,
    [schema],
  );
  for (const { name } of rows) await client.query(`drop index ${name}`);
  await client.query(`set local search_path to ${schema}`);
  return rows.map(({ definition }) => definition);
}

/** A number that no other lock of ours uses: "indexes" in ASCII. */
const LOCK = '29669016903574899';
const RETRY_MS = 200;

/**
 * Builds the deferred indexes while lanes keep writing. It rebuilds an index that an interrupted run
 * left incomplete; of two concurrent runs, the second waits for the first.
 */
export async function buildIndexes(
  pool: Pool,
  projection: string,
  generation: number,
  options: { readonly signal: AbortSignal; readonly onIndex: (name: string) => void },
): Promise<void> {
  const { signal, onIndex } = options;
  const client = await pool.connect();
  try {
    await client.query('set statement_timeout = 0');
    // An index of this size is built once; the default of 64 MB would sort on disk.
    await client.query(`set maintenance_work_mem = '256MB'`);
    // Polls instead of waiting: a waiting session holds a snapshot, and a concurrent index build waits
    // for all snapshots.
    while (!(await isLocked(client))) await delay(RETRY_MS, undefined, { signal });
    const schema = schemaOf(projection, generation);
    for (const definition of await deferredIndexes(client, projection, generation)) {
      signal.throwIfAborted();
      await buildIndex(client, schema, definition, onIndex);
    }
    await analyze(client, schema);
    await client.query(
      `update memfleet.projection_generations set deferred_indexes = null
        where projection = $1 and generation = $2`,
      [projection, generation],
    );
  } finally {
    // Ending the connection frees the lock and forgets the settings.
    client.release(true);
  }
}

async function isLocked(client: Client): Promise<boolean> {
  const { rows } = await client.query<{ locked: boolean }>(
    `select pg_try_advisory_lock(${LOCK}) as locked`,
  );
  return rows[0]?.locked === true;
}

async function deferredIndexes(
  db: Queryable,
  projection: string,
  generation: number,
): Promise<string[]> {
  const { rows } = await db.query<{ definitions: string[] | null }>(
    `select deferred_indexes as definitions from memfleet.projection_generations
      where projection = $1 and generation = $2`,
    [projection, generation],
  );
  return rows[0]?.definitions ?? [];
}

async function buildIndex(
  client: Client,
  schema: string,
  definition: string,
  onIndex: (name: string) => void,
): Promise<void> {
  const name = /^CREATE INDEX (\S+) ON /.exec(definition)?.[1];
  if (name === undefined) throw new Error(`no definition of an index: ${definition}`);
  const { rows } = await client.query<{ valid: boolean }>(
    `select indisvalid as valid from pg_index where indexrelid = to_regclass($1)`,
    [`${schema}.${name}`],
  );
  const [found] = rows;
  if (found?.valid === true) return;
  if (found !== undefined) await client.query(`drop index ${schema}.${name}`);
  onIndex(name);
  await client.query(withoutTimeLimit(definition.replace('INDEX', 'INDEX CONCURRENTLY')));
}

/** Without statistics, readers get plans for an empty table. */
async function analyze(client: Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = $1`,
    [schema],
  );
  for (const { name } of rows) await client.query(withoutTimeLimit(`analyze ${name}`));
}
