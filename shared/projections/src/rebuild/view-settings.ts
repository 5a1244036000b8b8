import type { Client } from '@memfleet/runtime';

/** One setting of a view, as the statement that sets it again. */
interface Setting {
  readonly statement: string;
  /** The column it applies to; null for the whole view. */
  readonly column: string | null;
  /** The role it names, which may have been dropped since. */
  readonly role: string | null;
}

/** By the name of the view, in the schema `memory`. */
export type ViewSettings = ReadonlyMap<string, readonly Setting[]>;

/** Reads the grants and settings of those views that exist. */
export async function readSettings(
  client: Client,
  views: readonly string[],
): Promise<ViewSettings> {
  const { rows } = await client.query<{ view: string; settings: Setting[] }>({
    name: 'view-settings',
    text: SETTINGS_SQL,
    values: [views],
  });
  return new Map(rows.map(({ view, settings }) => [view, settings]));
}

/**
 * Everything that keeps the view the same for roles: grants with their grant options, also on single
 * columns; options such as security_barrier; the comment; and last the owner, who may set the rest.
 */
const SETTINGS_SQL = `
with views as (
  select oid, relname, relacl, relowner, reloptions from pg_class
  where relkind = 'v' and relnamespace = to_regnamespace('memory') and relname = any($1)
), granted as (
  select oid, relname, null::text as attname, (aclexplode(relacl)).*, relowner from views
  union all
  select views.oid, relname, attname, (aclexplode(attacl)).*, relowner
  from views join pg_attribute on attrelid = views.oid and attnum > 0 and not attisdropped
), set_again as (
  select relname, 1 as place, null as attname, null as role,
    format('alter view memory.%I set (%s)', relname, array_to_string(reloptions, ', ')) as statement
  from views where reloptions is not null
  union all
  select relname, 2, null, null, format('comment on view memory.%I is %L', relname, description)
  from views join pg_description on objoid = oid and objsubid = 0
    and classoid = 'pg_class'::regclass
  union all
  select relname, 3, attname, rolname,
    format('grant %s%s on memory.%I to %s%s', privilege_type,
      case when attname is not null then format(' (%I)', attname) end, relname,
      coalesce(quote_ident(rolname), 'public'),
      case when is_grantable then ' with grant option' end)
  from granted left join pg_roles on pg_roles.oid = grantee
  where grantee <> relowner
  union all
  select relname, 4, null, rolname, format('alter view memory.%I owner to %I', relname, rolname)
  from views join pg_roles on pg_roles.oid = relowner where rolname <> current_user
)
select views.relname as view, coalesce((
  select json_agg(json_build_object('statement', statement, 'column', attname, 'role', role)
    order by place, statement)
  from set_again where set_again.relname = views.relname
), '[]') as settings
from views`;

/** Stores the settings of views that are dropped. */
export async function keepSettings(client: Client, settings: ViewSettings): Promise<void> {
  for (const [view, kept] of settings) {
    await client.query({
      name: 'view-settings-keep',
      text: `insert into memfleet.view_settings (view, settings) values ($1, $2)
        on conflict (view) do update set settings = excluded.settings`,
      values: [view, JSON.stringify(kept)],
    });
  }
}

/** The stored settings of these views. */
export async function keptSettings(
  client: Client,
  views: readonly string[],
): Promise<ViewSettings> {
  const { rows } = await client.query<{ view: string; settings: Setting[] }>({
    name: 'view-settings-kept',
    text: 'select view, settings from memfleet.view_settings where view = any($1)',
    values: [views],
  });
  return new Map(rows.map(({ view, settings }) => [view, settings]));
}

/** Applies the settings of an earlier view of that name, except for missing columns and roles. */
export async function applySettings(
  client: Client,
  view: string,
  settings: readonly Setting[],
): Promise<void> {
  if (settings.length === 0) return;
  const { rows } = await client.query<{ columns: string[]; roles: string[] }>({
    name: 'view-settings-known',
    text: `select
        array(select attname::text from pg_attribute
          where attrelid = format('memory.%I', $1::text)::regclass and attnum > 0) as columns,
        array(select rolname::text from pg_roles where rolname = any($2)) as roles`,
    values: [view, settings.flatMap(({ role }) => role ?? [])],
  });
  const { columns = [], roles = [] } = rows[0] ?? {};
  for (const { statement, column, role } of settings) {
    if (column !== null && !columns.includes(column)) continue;
    if (role !== null && !roles.includes(role)) continue;
    await client.query(statement);
  }
}
