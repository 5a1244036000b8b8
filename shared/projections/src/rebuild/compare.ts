import { type Client, withoutTimeLimit } from '@memfleet/runtime';
import { schemaOf } from '../lane-names.ts';

/** One table in two generations. */
export interface TableComparison {
  readonly table: string;
  /** Undefined when only the next one has the table. */
  readonly liveRows: number | undefined;
  /** Undefined when only the live one has the table. */
  readonly nextRows: number | undefined;
  /** Whether the columns that both have are equal; false for a table that one of them lacks. */
  readonly equal: boolean;
  /** Columns that only one of them has, or that have another type. */
  readonly otherColumns: readonly string[];
  /** Keys of some rows that differ or that one lacks: never their contents. */
  readonly differingKeys: readonly Readonly<Record<string, unknown>>[];
}

interface Side {
  readonly client: Client;
  readonly generation: number;
}

const MOST_KEYS = 10;

/**
 * Counts rows and sums their hashes, table by table, on both sides at once. Equal rows have equal sums,
 * in any order. Both connections must see the same snapshot.
 */
export async function compareTables(
  projection: string,
  live: Side,
  next: Side,
  onTable: (table: string) => void,
): Promise<TableComparison[]> {
  const [before, after] = await Promise.all([
    columnsOf(projection, live),
    columnsOf(projection, next),
  ]);
  const tables = [...new Set([...before.keys(), ...after.keys()])].toSorted();
  const comparisons: TableComparison[] = [];
  for (const table of tables) {
    onTable(table);
    const ours = before.get(table);
    const theirs = after.get(table);
    const columns = common(ours, theirs);
    const [left, right] = await Promise.all([
      ours && digest(projection, live, table, columns),
      theirs && digest(projection, next, table, columns),
    ]);
    const equal = left !== undefined && left.rows === right?.rows && left.hash === right.hash;
    const differingKeys =
      equal || left === undefined || right === undefined
        ? []
        : await differing(projection, { live, next }, table, columns);
    comparisons.push({
      table,
      liveRows: left?.rows,
      nextRows: right?.rows,
      equal,
      otherColumns: ours && theirs ? others(ours, theirs) : [],
      differingKeys,
    });
  }
  return comparisons;
}

/** Names and types of the columns of each table. */
async function columnsOf(
  projection: string,
  { client, generation }: Side,
): Promise<Map<string, Map<string, string>>> {
  const { rows } = await client.query<{ table: string; column: string; type: string }>(
    `select quote_ident(relname) as table, quote_ident(attname) as column, format_type(atttypid, atttypmod) as type
      from pg_class join pg_attribute on attrelid = pg_class.oid
      where relnamespace = to_regnamespace($1) and relkind = 'r' and attnum > 0
        and not attisdropped
      order by relname, attname`,
    [schemaOf(projection, generation)],
  );
  const tables = Map.groupBy(rows, ({ table }) => table);
  return new Map(
    [...tables].map(([table, columns]) => [
      table,
      new Map(columns.map(({ column, type }) => [column, type])),
    ]),
  );
}

type Columns = ReadonlyMap<string, string>;

function common(ours: Columns | undefined, theirs: Columns | undefined): string[] {
  if (ours === undefined || theirs === undefined) {
    return [...(ours ?? theirs ?? [])].map(([name]) => name);
  }
  return [...ours].filter(([name, type]) => theirs.get(name) === type).map(([name]) => name);
}

function others(ours: Columns, theirs: Columns): string[] {
  const names = new Set([...ours.keys(), ...theirs.keys()]);
  return [...names].filter((name) => ours.get(name) !== theirs.get(name)).toSorted();
}

async function digest(
  projection: string,
  { client, generation }: Side,
  table: string,
  columns: readonly string[],
): Promise<{ readonly rows: number; readonly hash: string }> {
  const { rows } = await client.query<{ rows: string; hash: string }>(
    withoutTimeLimit(
      `select count(*) as rows,
          coalesce(sum(hashtextextended(row(${columns.join(', ')})::text, 0)::numeric), 0) as hash
        from ${schemaOf(projection, generation)}.${table}`,
    ),
  );
  const [found] = rows;
  return { rows: Number(found?.rows), hash: found?.hash ?? '' };
}

async function differing(
  projection: string,
  { live, next }: { readonly live: Side; readonly next: Side },
  table: string,
  columns: readonly string[],
): Promise<Record<string, unknown>[]> {
  const ours = `${schemaOf(projection, live.generation)}.${table}`;
  const theirs = `${schemaOf(projection, next.generation)}.${table}`;
  const key = await keyOf(live.client, ours);
  if (key.length === 0 || !key.every((name) => columns.includes(name))) return [];
  const list = key.join(', ');
  const row = `row(${columns.join(', ')})::text as whole`;
  const { rows } = await live.client.query<Record<string, unknown>>(
    withoutTimeLimit(
      `select ${list} from (select ${list}, ${row} from ${ours}) as ours
        full join (select ${list}, ${row} from ${theirs}) as theirs using (${list})
        where ours.whole is distinct from theirs.whole
        order by ${list} limit ${MOST_KEYS}`,
    ),
  );
  return rows;
}

/** Columns of the primary key, in its order. */
async function keyOf(client: Client, table: string): Promise<string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select quote_ident(attname) as name from pg_index
      cross join unnest(indkey) with ordinality as part (number, place)
      join pg_attribute on attrelid = indrelid and attnum = part.number
      where indrelid = to_regclass($1) and indisprimary order by place`,
    [table],
  );
  return rows.map(({ name }) => name);
}
