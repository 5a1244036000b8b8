import { type Client, sqlState } from '@memfleet/runtime';
import { viewsDigest } from '../generations.ts';
import type { Projection } from '../kit/define.ts';
import { viewNames } from '../kit/view-names.ts';
import { schemaOf } from '../lane-names.ts';
import { namingDependents } from './errors.ts';
import {
  applySettings,
  keepSettings,
  keptSettings,
  readSettings,
  type ViewSettings,
} from './view-settings.ts';

/** PostgreSQL's code for a view that cannot be replaced because its columns differ. */
const OTHER_COLUMNS = '42P16';

/**
 * Makes the views of a projection show a generation; run it in the transaction that makes it live. Views
 * that a user made over its tables do not belong to the projection, and stay as they are.
 */
export async function pointViews(
  client: Client,
  { name, viewsSql }: Pick<Projection, 'name' | 'viewsSql'>,
  generation: number,
): Promise<void> {
  await client.query('create schema if not exists memory');
  await client.query(`set local search_path to ${schemaOf(name, generation)}`);
  const wanted = viewNames(viewsSql);
  const former = await formerViews(client, name);
  const there = await readSettings(client, [...wanted, ...former]);
  const replaced = await createViews(client, viewsSql, there);
  // A view missing from the new text would show tables that may be dropped.
  const stale = new Map([...there].filter(([view]) => !wanted.includes(view)));
  await keepSettings(client, stale);
  if (!replaced) await dropViews(client, stale);
  const kept = await keptSettings(client, wanted);
  for (const view of wanted) {
    // Also for a view that was replaced in place: it keeps its grants, but not its options.
    await applySettings(client, view, there.get(view) ?? kept.get(view) ?? []);
  }
  await client.query(
    `update memfleet.projection_generations set views_digest = $3, views_sql = $4
      where projection = $1 and generation = $2`,
    [name, generation, viewsDigest(viewsSql), viewsSql],
  );
}

/**
 * Views of any generation and version of this projection that still read its tables: a view of the same
 * name may belong to another projection or a user by now.
 */
async function formerViews(client: Client, projection: string): Promise<string[]> {
  const { rows } = await client.query<{ sql: string }>({
    name: 'views-made',
    text: `select distinct views_sql as sql from memfleet.projection_generations
      where projection = $1 and state <> 'retired' and views_sql is not null`,
    values: [projection],
  });
  const { rows: reading } = await client.query<{ view: string }>({
    name: 'views-reading',
    text: `select distinct views.relname as view
      from memfleet.projection_generations as generations
      join pg_namespace as schemas
        on schemas.nspname = concat(generations.projection, '_', generations.generation)
      join pg_class as tables on tables.relnamespace = schemas.oid
      join pg_depend on classid = 'pg_rewrite'::regclass and refclassid = 'pg_class'::regclass
        and refobjid = tables.oid
      join pg_rewrite on pg_rewrite.oid = objid
      join pg_class as views on views.oid = ev_class
      where generations.projection = $1 and views.relnamespace = to_regnamespace('memory')
        and views.relname = any($2)`,
    values: [projection, rows.flatMap(({ sql }) => viewNames(sql))],
  });
  return reading.map(({ view }) => view);
}

/** @returns whether it had to drop existing views first, because their columns differ */
async function createViews(
  client: Client,
  viewsSql: string,
  there: ViewSettings,
): Promise<boolean> {
  await client.query('savepoint views');
  try {
    await client.query(viewsSql);
    return false;
  } catch (error) {
    if (sqlState(error) !== OTHER_COLUMNS) throw error;
    await client.query('rollback to savepoint views');
    await dropViews(client, there);
    await client.query(viewsSql);
    return true;
  }
}

/**
 * In one statement and without cascade, so that it drops no foreign view that reads one of them.
 * @throws RebuildError that names the foreign view
 */
async function dropViews(client: Client, views: ViewSettings): Promise<void> {
  if (views.size === 0) return;
  const names = [...views.keys()].map((view) => `memory.${client.escapeIdentifier(view)}`);
  await namingDependents(client.query(`drop view ${names.join(', ')}`));
}
