import type { Client, Queryable } from '@memfleet/runtime';
import { viewsDigest } from '../generations.ts';
import type { Projection } from '../kit/define.ts';
import { schemaOf } from '../lanes.ts';

/** PostgreSQL's code for a view that may not be replaced: its columns are others. */
const OTHER_COLUMNS = '42P16';

/** Makes the views of a projection show a generation. Run in the transaction that makes it live. */
export async function pointViews(
  client: Client,
  { name, viewsSql }: Pick<Projection, 'name' | 'viewsSql'>,
  generation: number,
): Promise<void> {
  await client.query('create schema if not exists memory');
  await client.query(`set local search_path to ${schemaOf(name, generation)}`);
  const before = await viewsOf(client, name);
  await client.query('savepoint views');
  try {
    await client.query(viewsSql);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code !== OTHER_COLUMNS) throw error;
    await client.query('rollback to savepoint views');
    await replaceViews(client, before, viewsSql);
  }
  // A view that the new text does not have shows tables that nobody may count on any more.
  const stale = (await viewsOf(client, name)).filter(({ shown }) => !shown.includes(generation));
  for (const { view } of stale) await client.query(`drop view ${view}`);
  await client.query(
    `update memfleet.projection_generations set views_digest = $3, views_sql = $4
      where projection = $1 and generation = $2`,
    [name, generation, viewsDigest(viewsSql), viewsSql],
  );
}

interface View {
  readonly view: string;
  /** The generations whose tables it reads. */
  readonly shown: readonly number[];
  /** What others may do with it, as statements that say so again. */
  readonly grants: readonly string[];
}

/** Views with other columns are made anew; whoever was allowed to read them still is. */
async function replaceViews(
  client: Client,
  before: readonly View[],
  viewsSql: string,
): Promise<void> {
  // One statement: a view of another projection's or a user's own that reads them stops it here.
  if (before.length > 0) {
    await client.query(`drop view ${before.map(({ view }) => view).join(', ')}`);
  }
  await client.query(viewsSql);
  for (const { view, grants } of before) {
    const { rows } = await client.query<{ there: boolean }>(
      'select to_regclass($1) is not null as there',
      [view],
    );
    if (rows[0]?.there !== true) continue;
    for (const grant of grants) await client.query(grant);
  }
}

/** The views in the schema `memory` that read tables of any generation of a projection. */
async function viewsOf(db: Queryable, projection: string): Promise<View[]> {
  const { rows } = await db.query<View>(
    `select format('memory.%I', views.relname) as view,
        array_agg(distinct generations.generation) as shown,
        coalesce((
          select array_agg(format('grant %s on memory.%I to %s', privilege_type, views.relname,
            case when grantee = 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end))
          from aclexplode(views.relacl) where grantee <> views.relowner
        ), '{}') as grants
      from pg_class as views
      join pg_rewrite on ev_class = views.oid
      join pg_depend on classid = 'pg_rewrite'::regclass and objid = pg_rewrite.oid
        and refclassid = 'pg_class'::regclass and refobjid <> views.oid
      join pg_class as tables on tables.oid = refobjid
      join pg_namespace as schemas on schemas.oid = tables.relnamespace
      join memfleet.projection_generations as generations
        on generations.projection = $1
        and schemas.nspname = concat(generations.projection, '_', generations.generation)
      where views.relkind = 'v' and views.relnamespace = to_regnamespace('memory')
      group by views.oid, views.relname, views.relacl, views.relowner`,
    [projection],
  );
  return rows;
}
