import type { Client } from '@memfleet/runtime';

/** One thing that was set on a view, as the statement that sets it again. */
interface Setting {
  readonly statement: string;
  /** The column it is about; null for the view as a whole. */
  readonly column: string | null;
  /** The role it names, which may be gone by now. */
  readonly role: string | null;
}

/** By the name of the view, in the schema `memory`. */
export type ViewSettings = ReadonlyMap<string, readonly Setting[]>;

/** What is granted and set on those of the views that are there. */
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
 * Roles see the view as they did: grants with their grant options, also those of single columns;
 * options such as security_barrier; the comment; and the owner, last, since it is who may do the rest.
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

/** Keeps the settings of views that are dropped. */
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

/** The settings that are kept of these views. */
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

/** Sets on a new view what was set on one of its name; not for columns or roles that are gone. */
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
