import type { ColumnType, Columns, KeyOf, Row, RowOf } from './columns.ts';
import type { Guard } from './guards.ts';

/** Columns that change together, and the column that holds the guard of their current values. */
export interface ColumnGroup {
  readonly guard: string;
  readonly columns: Columns;
}

/** One row per key. A write names groups, and the guard of each decides whether it is written. */
export interface KeyedTable {
  readonly kind: 'keyed';
  readonly name: string;
  readonly key: Columns;
  readonly groups: Readonly<Record<string, ColumnGroup>>;
  /** When this group of the owner is sealed, the rows are deleted and none is written afterwards. */
  readonly sealedBy: { readonly owner: KeyedTable; readonly group: string } | undefined;
}

/** Rows are only ever added, one per event; of an event stored twice, the first copy counts. */
export interface LogTable {
  readonly kind: 'log';
  readonly name: string;
  readonly columns: Columns;
  /** Whether the table reports positions of copies, so that their payloads are compared. */
  readonly reportsCopies: boolean;
}

/** One row per owner, and sets of rows that a write replaces as a whole. */
export interface SetTable {
  readonly kind: 'set';
  readonly name: string;
  readonly key: Columns;
  readonly group: ColumnGroup;
  readonly members: Readonly<Record<string, Member>>;
}

/** Rows of one owner: the owner's key, the columns that distinguish the rows, and the rest. */
export interface Member {
  readonly key: Columns;
  readonly columns: Columns;
}

export type Table = KeyedTable | LogTable | SetTable;

export interface GroupWrite {
  readonly guard: Guard;
  readonly row: Row;
}

export type Operation =
  | {
      readonly table: KeyedTable;
      readonly key: Row;
      readonly groups: Readonly<Record<string, GroupWrite | undefined>>;
    }
  | { readonly table: LogTable; readonly row: Row }
  | {
      readonly table: SetTable;
      readonly key: Row;
      readonly guard: Guard;
      readonly row: Row;
      readonly members: Readonly<Record<string, readonly Row[]>>;
    };

interface GroupDeclaration {
  readonly guard: string;
  readonly columns: Columns;
}

type GroupWrites<Groups extends Readonly<Record<string, GroupDeclaration>>> = {
  readonly [Name in keyof Groups]?: {
    readonly guard: Guard;
    readonly row: RowOf<Groups[Name]['columns']>;
  };
};

/** Declares a keyed table; `write` makes the operation, checked against the declaration. */
export function keyedTable<
  const Key extends Columns,
  const Groups extends Readonly<Record<string, GroupDeclaration>>,
>(
  name: string,
  declaration: {
    readonly key: Key;
    readonly groups: Groups;
    readonly sealedBy?: { readonly owner: KeyedTable; readonly group: string };
  },
) {
  const { key, groups, sealedBy } = declaration;
  const table = { kind: 'keyed', name, key, groups, sealedBy } as const;
  return {
    ...table,
    write: (at: KeyOf<Key>, writes: GroupWrites<Groups>): Operation => ({
      table,
      key: at,
      groups: writes,
    }),
  };
}

/** Columns that every log table has besides its own: the event's key and its position. */
const LOG_COLUMNS = { event_key: 'uuid', sequence: 'bigint' } as const satisfies Record<
  string,
  ColumnType
>;

export function logTable<const Declared extends Columns>(
  name: string,
  declaration: {
    readonly columns: Declared;
    /** For a table with a row for every event: one such table in the fleet is enough. */
    readonly reportsCopies?: boolean;
  },
) {
  const { reportsCopies = false } = declaration;
  const columns = { ...declaration.columns, ...LOG_COLUMNS };
  const table = { kind: 'log', name, columns, reportsCopies } as const;
  return {
    ...table,
    add: (
      at: { readonly eventKey: string; readonly sequence: number },
      row: RowOf<Declared>,
    ): Operation => ({
      table,
      row: { ...row, event_key: at.eventKey, sequence: at.sequence },
    }),
  };
}

type MemberRows<Members extends Readonly<Record<string, Member>>> = {
  readonly [Name in keyof Members]: readonly (KeyOf<Members[Name]['key']> &
    RowOf<Members[Name]['columns']>)[];
};

export function setTable<
  const Key extends Columns,
  const Group extends GroupDeclaration,
  const Members extends Readonly<Record<string, Member>>,
>(
  name: string,
  declaration: { readonly key: Key; readonly group: Group; readonly members: Members },
) {
  const { key, group, members } = declaration;
  const table = { kind: 'set', name, key, group, members } as const;
  return {
    ...table,
    replace: (
      at: KeyOf<Key>,
      write: { readonly guard: Guard; readonly row: RowOf<Group['columns']> },
      rows: MemberRows<Members>,
    ): Operation => ({ table, key: at, guard: write.guard, row: write.row, members: rows }),
  };
}
