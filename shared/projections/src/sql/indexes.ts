import { setTimeout as delay } from 'node:timers/promises';
import { type Client, type Pool, type Queryable, withoutTimeLimit } from '@memfleet/runtime';
import { schemaOf } from '../lane-names.ts';

interface Index {
  readonly name: string;
  readonly definition: string;
}

/**
 * Takes the indexes away that only readers need. Rows of a rebuild come in any order of their keys,
 * and an index over a table that is there is made in a fraction of the time its entries take one by
 * one. Unique ones stay: the upserts need them. Runs in a transaction.
 * @returns their definitions
 */
export async function deferIndexes(client: Client, schema: string): Promise<string[]> {
  // A definition names a function with its schema only where the path does not lead to it; the session that
  // makes the index later has another one.
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

/** Any number that no other lock of ours has: "indexes" in ASCII. */
const LOCK = '29669016903574899';
const RETRY_MS = 200;

/**
 * Makes the indexes that were put off, while lanes go on writing. An index that an interrupted run
 * left half made is made anew; of two runs at once the second waits for the first.
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
    // An index of this size is made once; the default of 64 MB would sort on disk.
    await client.query(`set maintenance_work_mem = '256MB'`);
    // Asked again and again: a session that waits holds a snapshot, and an index that is made
    // beside writers waits for all of those.
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

/** Readers of a table without statistics get plans for an empty one. */
async function analyze(client: Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', schemaname, tablename) as name from pg_tables where schemaname = $1`,
    [schema],
  );
  for (const { name } of rows) await client.query(withoutTimeLimit(`analyze ${name}`));
}
