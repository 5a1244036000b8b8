import type { ColumnType, Columns, KeyOf, Row, RowOf } from './columns.ts';
import type { Guard } from './guards.ts';

/** Columns that change together, and the column with the guard of what stands in them. */
export interface ColumnGroup {
  readonly guard: string;
  readonly columns: Columns;
}

/** One row a key. A write names groups; each stands or falls by its own guard. */
export interface KeyedTable {
  readonly kind: 'keyed';
  readonly name: string;
  readonly key: Columns;
  readonly groups: Readonly<Record<string, ColumnGroup>>;
  /** Rows go when this group of the owner is sealed, and none is written after. */
  readonly sealedBy: { readonly owner: KeyedTable; readonly group: string } | undefined;
}

/** Rows that are only ever added, one per event; of an event stored twice the first copy stands. */
export interface LogTable {
  readonly kind: 'log';
  readonly name: string;
  readonly columns: Columns;
  /** Whether positions of copies are reported, for what they say to be compared. */
  readonly reportsCopies: boolean;
}

/** A row per owner, and sets of rows which a write replaces as a whole. */
export interface SetTable {
  readonly kind: 'set';
  readonly name: string;
  readonly key: Columns;
  readonly group: ColumnGroup;
  readonly members: Readonly<Record<string, Member>>;
}

/** Rows of one owner: the owner's key, what tells them apart, and the rest. */
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

/** Columns that every log table has besides its own: which event, and where it stands. */
const LOG_COLUMNS = { event_key: 'uuid', sequence: 'bigint' } as const satisfies Record<
  string,
  ColumnType
>;

export function logTable<const Declared extends Columns>(
  name: string,
  declaration: {
    readonly columns: Declared;
    /** For a table that has a row for every event: one such table in the fleet is enough. */
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
