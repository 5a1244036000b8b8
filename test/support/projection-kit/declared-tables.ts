import type { Columns, Projection, Table } from '@memfleet/projections';
import type { Queryable } from '@memfleet/runtime';
import { ProjectionFault } from './fault.ts';

interface Declared {
  readonly name: string;
  readonly key: readonly string[];
  readonly columns: Readonly<Record<string, string>>;
  /** Columns that a row may lack at first, because another group is written before. */
  readonly lateColumns: ReadonlySet<string>;
}

interface Column {
  readonly name: string;
  readonly type: string;
  readonly required: boolean;
  readonly filled: boolean;
}

/** Checks tables.sql against the projection's declaration. @throws ProjectionFault with every problem */
export async function proveDeclared(
  db: Queryable,
  projection: Projection,
  schema: string,
): Promise<void> {
  const problems: string[] = [];
  for (const wanted of projection.tables.flatMap(declaredTables)) {
    const columns = await columnsOf(db, schema, wanted.name);
    if (columns.length === 0) {
      problems.push(`table ${wanted.name} is declared but not created`);
      continue;
    }
    problems.push(...problemsOf(wanted, columns));
    if (!(await hasUniqueKey(db, schema, wanted))) {
      problems.push(
        `table ${wanted.name} needs \`primary key (${wanted.key.join(', ')})\`: rows are found by it`,
      );
    }
  }
  if (problems.length === 0) return;
  throw new ProjectionFault({
    projection: projection.name,
    check: 'tables.sql',
    what: 'the tables differ from their declaration',
    where: problems,
    hint: 'projection.ts and tables.sql must agree: fix the one that is wrong',
  });
}

function problemsOf({ name, columns, lateColumns }: Declared, found: readonly Column[]): string[] {
  const problems: string[] = [];
  for (const [column, type] of Object.entries(columns)) {
    const made = found.find((each) => each.name === column);
    if (made === undefined) {
      problems.push(`${name}.${column} is declared as ${type} but missing`);
    } else if (made.type !== TYPES[type]) {
      problems.push(`${name}.${column} is declared as ${type} but created as ${made.type}`);
    } else if (made.required && lateColumns.has(column)) {
      problems.push(
        `${name}.${column} is \`not null\`, but another group may write the row first: remove \`not null\``,
      );
    }
  }
  for (const { name: column, required, filled } of found) {
    if (column in columns || !required || filled) continue;
    problems.push(`${name}.${column} is \`not null\`, but no declaration says what to write there`);
  }
  return problems;
}

/** PostgreSQL's names of the types of columns. */
const TYPES: Readonly<Record<string, string>> = {
  text: 'text',
  uuid: 'uuid',
  timestamptz: 'timestamp with time zone',
  int: 'integer',
  bigint: 'bigint',
  'double precision': 'double precision',
};

function declaredTables(table: Table): Declared[] {
  switch (table.kind) {
    case 'keyed': {
      const groups = Object.values(table.groups);
      const ofGroups = groups.map(({ guard, columns }): Columns => ({
        ...columns,
        [guard]: 'bigint',
      }));
      const columns = Object.assign({}, ...ofGroups) as Columns;
      const late = groups.length > 1 ? Object.keys(columns) : [];
      return [declared(table.name, table.key, columns, late)];
    }
    case 'log':
      return [
        { name: table.name, key: ['event_key'], columns: table.columns, lateColumns: new Set() },
      ];
    case 'set': {
      const { guard, columns } = table.group;
      const members = Object.entries(table.members).map(([name, member]) =>
        declared(name, { ...table.key, ...member.key }, member.columns, []),
      );
      return [declared(table.name, table.key, { ...columns, [guard]: 'bigint' }, []), ...members];
    }
    default:
      return table satisfies never;
  }
}

function declared(name: string, key: Columns, columns: Columns, late: readonly string[]): Declared {
  return {
    name,
    key: Object.keys(key),
    columns: { ...key, ...columns },
    lateColumns: new Set(late),
  };
}

async function columnsOf(db: Queryable, schema: string, table: string): Promise<Column[]> {
  const { rows } = await db.query<Column>(
    `select attname as name, format_type(atttypid, atttypmod) as type, attnotnull as required,
        atthasdef or attidentity <> '' as filled
      from pg_attribute
      where attrelid = to_regclass($1) and attnum > 0 and not attisdropped`,
    [`${schema}.${table}`],
  );
  return rows;
}

async function hasUniqueKey(
  db: Queryable,
  schema: string,
  { name, key }: Declared,
): Promise<boolean> {
  const { rows } = await db.query<{ columns: string[] }>(
    `select array_agg(attname::text) as columns
      from pg_index
      join pg_attribute on attrelid = indrelid and attnum = any (indkey)
      where indrelid = to_regclass($1) and indisunique and indpred is null
      group by indexrelid`,
    [`${schema}.${name}`],
  );
  return rows.some(
    ({ columns }) => columns.length === key.length && key.every((each) => columns.includes(each)),
  );
}
