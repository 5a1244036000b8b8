import { setTimeout as delay } from 'node:timers/promises';
import {
  type Client,
  consumerInfo,
  type JetStreamManager,
  type Pool,
  retryTransient,
  RuntimeError,
  transaction,
} from '@memfleet/runtime';
import { durableOf, type LaneId, lanesOf, leaseOf, schemaOf } from '../lane-names.ts';
import { namingDependents, RebuildError } from './errors.ts';
import type { RebuildTarget } from './start.ts';

const POLL_MS = 100;

/**
 * Drops a generation that is not live: tables, checkpoints, parked events, durables. Its workers see
 * that it is retired and release it first. A second run completes an interrupted one.
 * @throws RebuildError when it is live, unknown, or still held by a worker
 */
export async function retireGeneration(
  { config, jsm, pool }: RebuildTarget,
  projection: string,
  generation: number,
  signal: AbortSignal,
): Promise<void> {
  await checkUnread(pool, projection, generation);
  const lanes = await markRetired(pool, projection, generation);
  const ids = lanesOf(projection, generation, lanes);
  // A worker looks every second; one that hangs loses its lease.
  await released(pool, ids, { limitMs: config.projections.lease * 2 + 5_000, signal });
  await retryTransient(
    () => transaction(pool, async (client) => await dropTables(client, projection, generation)),
    { signal },
  );
  for (const id of ids) await deleteDurable(jsm, config.log.stream, durableOf(id));
}

async function deleteDurable(
  jsm: JetStreamManager,
  stream: string,
  durable: string,
): Promise<void> {
  try {
    await consumerInfo(jsm, stream, durable);
  } catch (error) {
    if (error instanceof RuntimeError && error.code === 'CONSUMER_MISSING') return;
    throw error;
  }
  await jsm.consumers.delete(stream, durable);
}

/** Checked first: a foreign view would keep the tables of a generation that is already retired. */
async function checkUnread(pool: Pool, projection: string, generation: number): Promise<void> {
  const { rows } = await pool.query<{ view: string }>(
    `select distinct views.oid::regclass::text as view
      from pg_class as tables
      join pg_depend on classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass
        and refobjid = tables.oid
      join pg_rewrite on pg_rewrite.oid = objid
      join pg_class as views on views.oid = ev_class
      where tables.relnamespace = to_regnamespace($1) and views.relnamespace <> tables.relnamespace`,
    [schemaOf(projection, generation)],
  );
  const state = await stateOf(pool, projection, generation);
  if (rows.length === 0 || state === 'live') return;
  throw new RebuildError(
    `${rows.map(({ view }) => view).join(', ')} still reads tables of generation ${generation} of ${projection}`,
    'Drop it, or let it read the views in the schema memory, and run this again.',
  );
}

async function stateOf(
  pool: Pool,
  projection: string,
  generation: number,
): Promise<string | undefined> {
  const { rows } = await pool.query<{ state: string }>(
    `select state from memfleet.projection_generations where projection = $1 and generation = $2`,
    [projection, generation],
  );
  return rows[0]?.state;
}

/** @returns how many lanes it has */
async function markRetired(pool: Pool, projection: string, generation: number): Promise<number> {
  return await transaction(pool, async (client) => {
    const { rows } = await client.query<{ state: string; lanes: number }>(
      `select state, lanes from memfleet.projection_generations
        where projection = $1 and generation = $2 for update`,
      [projection, generation],
    );
    const [row] = rows;
    if (row === undefined) {
      throw new RebuildError(
        `projection ${projection} has no generation ${generation}`,
        'See `memfleet projection list`.',
      );
    }
    if (row.state === 'live') {
      throw new RebuildError(
        `generation ${generation} of ${projection} is live`,
        'Promote another one first.',
      );
    }
    await client.query(
      `update memfleet.projection_generations set state = 'retired', deferred_indexes = null
        where projection = $1 and generation = $2`,
      [projection, generation],
    );
    return row.lanes;
  });
}

/** Waits until no worker holds a lane any more: its durable must not disappear while it runs. */
async function released(
  pool: Pool,
  ids: readonly LaneId[],
  { limitMs, signal }: { readonly limitMs: number; readonly signal: AbortSignal },
): Promise<void> {
  const deadline = performance.now() + limitMs;
  for (;;) {
    const { rows } = await pool.query<{ name: string; owner: string }>(
      `select name, owner from memfleet.leases where name = any($1) and lease_until > now() limit 1`,
      [ids.map(leaseOf)],
    );
    const [held] = rows;
    if (held === undefined) return;
    if (performance.now() > deadline) {
      throw new RebuildError(
        `worker ${held.owner} does not release ${held.name}`,
        'Stop it, and run this again.',
      );
    }
    await delay(POLL_MS, undefined, { signal });
  }
}

async function dropTables(client: Client, projection: string, generation: number): Promise<void> {
  // Locks in the order of a lane: its checkpoint, then the tables it writes. A worker that lost its
  // lease may still be writing.
  await client.query(
    `select from memfleet.checkpoints where projection = $1 and generation = $2
      order by lane for update`,
    [projection, generation],
  );
  const schema = schemaOf(projection, generation);
  const { rows } = await client.query<{ name: string }>(
    `select format('%I.%I', $1::text, relname) as name from pg_class
      where relnamespace = to_regnamespace($1) and relkind = 'r'`,
    [schema],
  );
  // In one statement and without cascade, so that it drops no foreign views over the tables.
  if (rows.length > 0) {
    const names = rows.map(({ name }) => name).join(', ');
    await namingDependents(client.query(`drop table ${names}`));
  }
  await client.query(`drop schema if exists ${schema} cascade`);
  for (const table of ['checkpoints', 'lane_reports', 'parked_events', 'parked_redrives']) {
    await client.query(`delete from memfleet.${table} where projection = $1 and generation = $2`, [
      projection,
      generation,
    ]);
  }
  await client.query('delete from memfleet.leases where starts_with(name, $1)', [
    `projection/${projection}/${generation}/`,
  ]);
}
