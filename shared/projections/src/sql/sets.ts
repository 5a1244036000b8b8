import type { Columns, Row } from '../kit/columns.ts';
import type { SetRow } from '../kit/fold.ts';
import type { Member, SetTable } from '../kit/tables.ts';
import {
  type BoundStatement,
  bindRows,
  casts,
  cellOfRow,
  columnList,
  given,
  inFlight,
  names,
  requireFresh,
  runBound,
  sameKey,
  type Statement,
  type WriteStep,
} from './statement.ts';

/** Writes the owners of a set table, and replaces the members of those that advanced. */
export class SetWriter {
  readonly #table: SetTable;
  readonly #owners: Statement;
  readonly #allOwners: Statement;
  readonly #members: readonly {
    readonly name: string;
    readonly remove: Statement;
    readonly add: Statement;
  }[];

  constructor(schema: string, table: SetTable) {
    this.#table = table;
    const owners = ownerStatement(schema, table);
    const keys = Object.keys(table.key).map((name) => `stored.${name}`);
    this.#owners = { ...owners, text: `${owners.text} returning ${keys.join(', ')}` };
    this.#allOwners = requireFresh(owners);
    this.#members = Object.entries(table.members).map(([name, member]) => ({
      name,
      remove: removeStatement(schema, table, name),
      add: addStatement(schema, table.key, name, member),
    }));
  }

  prepare(rows: readonly SetRow[]): WriteStep {
    const { guard } = this.#table.group;
    const owners = bindRows(this.#owners, rows, (row, column) =>
      column === guard ? row.guard : (row.key[column] ?? row.row[column]),
    );
    // Nearly always every owner advances, so the statements for all members are prepared beforehand.
    const all = this.#replace(rows);
    const { name, text } = this.#allOwners;
    return {
      fresh: [{ name, text, values: owners.values }, ...all.map(inFlight)],
      write: async (db) => {
        const { rows: returned } = await runBound(db, owners);
        const advanced =
          returned.length === rows.length ? all : this.#replace(this.#pick(rows, returned));
        for (const statement of advanced) await runBound(db, statement);
      },
    };
  }

  /** The statements for owners that advanced: remove old members, add new ones. */
  #replace(advanced: readonly SetRow[]): BoundStatement[] {
    if (advanced.length === 0) return [];
    const keys = advanced.map(({ key }) => key);
    const columns = Object.keys(this.#table.key);
    return this.#members.flatMap(({ name, remove, add }) => {
      const rows = advanced.flatMap(({ key, members }) =>
        (members[name] ?? []).map((row) => ({ key, row })),
      );
      const removal = bindRows(remove, keys, cellOfRow);
      if (rows.length === 0) return [removal];
      const addition = bindRows(add, rows, ({ key, row }, column, index) =>
        index < columns.length ? key[column] : row[column],
      );
      return [removal, addition];
    });
  }

  /** The rows whose keys the database returned. */
  #pick(rows: readonly SetRow[], returned: readonly Row[]): SetRow[] {
    const columns = Object.keys(this.#table.key);
    const idOf = (key: Row): string => columns.map((name) => key[name]).join('\u0000');
    const ids = new Set(returned.map(idOf));
    return rows.filter(({ key }) => ids.has(idOf(key)));
  }
}

function ownerStatement(schema: string, { name, key, group }: SetTable): Statement {
  const { guard } = group;
  const columns = columnList(key, group.columns, { [guard]: 'bigint' });
  const sets = [...Object.keys(group.columns), guard].map((each) => `${each} = excluded.${each}`);
  const keys = Object.keys(key);
  const text = `insert into ${schema}.${name} as stored (${names(columns)})
    select ${casts(columns)} from ${given(columns)}
    on conflict (${keys.join(', ')}) do update set ${sets.join(', ')}
    where excluded.${guard} >= stored.${guard}`;
  return { name: `${schema}.${name}`, text, columns };
}

function removeStatement(schema: string, { key }: SetTable, member: string): Statement {
  const columns = columnList(key);
  const text = `delete from ${schema}.${member} as stored using ${given(columns)}
    where ${sameKey(key, 'stored', 'given')}`;
  return { name: `${schema}.${member}-remove`, text, columns };
}

function addStatement(schema: string, owner: Columns, name: string, member: Member): Statement {
  const columns = columnList(owner, member.key, member.columns);
  const text = `insert into ${schema}.${name} (${names(columns)})
    select ${casts(columns)} from ${given(columns)}`;
  return { name: `${schema}.${name}-add`, text, columns };
}
