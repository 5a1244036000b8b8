import type { KeyedRow } from '../kit/fold.ts';
import { SEALED } from '../kit/guards.ts';
import type { KeyedTable } from '../kit/tables.ts';
import {
  type BoundStatement,
  bindRows,
  casts,
  cellOfRow,
  columnList,
  given,
  names,
  sameKey,
  type Statement,
} from './statement.ts';

/** Writes the rows of one keyed table. */
export class KeyedWriter {
  readonly #table: KeyedTable;
  readonly #upsert: Statement;
  readonly #drop: Statement | undefined;
  /** Per column: the group it belongs to, undefined for the key; and whether it is the guard. */
  readonly #places: readonly { readonly group: string | undefined; readonly isGuard: boolean }[];

  constructor(schema: string, table: KeyedTable) {
    this.#table = table;
    this.#upsert = upsertStatement(schema, table);
    this.#drop = dropStatement(schema, table);
    const ofKey = Object.keys(table.key).map(() => ({ group: undefined, isGuard: false }));
    const ofGroups = Object.entries(table.groups).flatMap(([group, { guard, columns }]) =>
      [...Object.keys(columns), guard].map((name) => ({ group, isGuard: name === guard })),
    );
    this.#places = [...ofKey, ...ofGroups];
  }

  upsert(rows: readonly KeyedRow[]): BoundStatement {
    return bindRows(this.#upsert, rows, ({ key, groups }, column, index) => {
      const place = this.#places[index];
      if (place?.group === undefined) return key[column];
      const write = groups[place.group];
      return place.isGuard ? write?.guard : write?.row[column];
    });
  }

  /** Removes rows of owners that this batch sealed. */
  drop(owners: readonly KeyedRow[]): BoundStatement | undefined {
    const { sealedBy } = this.#table;
    if (this.#drop === undefined || sealedBy === undefined) return undefined;
    const sealed = owners.filter(({ groups }) => groups[sealedBy.group]?.guard === SEALED);
    if (sealed.length === 0) return undefined;
    return bindRows(
      this.#drop,
      sealed.map(({ key }) => key),
      cellOfRow,
    );
  }
}

/**
 * A group is written when the stored one has no guard yet, or none that is higher. Groups that an
 * operation does not name have a null guard: they change nothing.
 */
function upsertStatement(schema: string, table: KeyedTable): Statement {
  const groups = Object.values(table.groups);
  const columns = [
    ...columnList(table.key),
    ...groups.flatMap(({ guard, columns: own }) => [
      ...columnList(own),
      [guard, 'bigint'] as [string, 'bigint'],
    ]),
  ];
  const sets = groups.flatMap(({ guard, columns: own }) => [
    ...Object.keys(own).map(
      (name) => `${name} = case when ${wins(guard)} then excluded.${name} else stored.${name} end`,
    ),
    `${guard} = greatest(stored.${guard}, excluded.${guard})`,
  ]);
  // A write that changes nothing creates no new version of the row.
  const changes = groups.map(({ guard }) => `excluded.${guard} is not null and ${wins(guard)}`);
  const text = `insert into ${schema}.${table.name} as stored (${names(columns)})
    select ${casts(columns)} from ${given(columns)}
    ${unlessSealed(schema, table)}
    on conflict (${Object.keys(table.key).join(', ')}) do update set ${sets.join(', ')}
    where ${changes.join(' or ')}`;
  return { name: `${schema}.${table.name}`, text, columns };
}

function wins(guard: string): string {
  return `coalesce(excluded.${guard} >= stored.${guard}, stored.${guard} is null)`;
}

function unlessSealed(schema: string, { sealedBy }: KeyedTable): string {
  if (sealedBy === undefined) return '';
  const { owner, group } = sealedBy;
  return `where not exists (select from ${schema}.${owner.name} as owner
      where ${sameKey(owner.key, 'owner', 'given')} and owner.${guardOf(owner, group)} = ${SEALED})`;
}

function dropStatement(schema: string, { name, sealedBy }: KeyedTable): Statement | undefined {
  if (sealedBy === undefined) return undefined;
  const columns = columnList(sealedBy.owner.key);
  const text = `delete from ${schema}.${name} as stored using ${given(columns)}
    where ${sameKey(sealedBy.owner.key, 'stored', 'given')}`;
  return { name: `${schema}.${name}-drop`, text, columns };
}

function guardOf(table: KeyedTable, group: string): string {
  const found = table.groups[group];
  if (found === undefined) throw new Error(`table ${table.name} has no column group ${group}`);
  return found.guard;
}
