import type { Row } from './columns.ts';
import type { GroupWrite, KeyedTable, LogTable, Operation, SetTable } from './tables.ts';

type Groups = Readonly<Record<string, GroupWrite | undefined>>;

export interface KeyedRow {
  readonly key: Row;
  readonly groups: Groups;
}

type KeyedOperation = Extract<Operation, { readonly table: KeyedTable }>;
export type SetRow = Extract<Operation, { readonly table: SetTable }>;

/**
 * The row operations of a batch, folded per key: a hundred revisions of one memory become one row.
 * Operations must be added in the order of the log.
 */
export class Fold {
  readonly #keyed = new Map<string, Map<string, KeyedRow>>();
  readonly #logs = new Map<string, Map<string, Row>>();
  readonly #copies = new Map<string, Row[]>();
  readonly #sets = new Map<string, Map<string, SetRow>>();

  add(operation: Operation): void {
    if ('groups' in operation) this.#addKeyed(operation);
    else if ('members' in operation) this.#addSet(operation);
    else this.#addLog(operation);
  }

  keyed(table: KeyedTable): readonly KeyedRow[] {
    return [...(this.#keyed.get(table.name)?.values() ?? [])];
  }

  log(table: LogTable): readonly Row[] {
    return [...(this.#logs.get(table.name)?.values() ?? [])];
  }

  /** Rows of a table that reports copies which gave way to a row of the same event. */
  copies(table: LogTable): readonly Row[] {
    return this.#copies.get(table.name) ?? [];
  }

  sets(table: SetTable): readonly SetRow[] {
    return [...(this.#sets.get(table.name)?.values() ?? [])];
  }

  #addKeyed(operation: KeyedOperation): void {
    const { table, key, groups } = operation;
    const rows = entry(this.#keyed, table.name);
    const id = idOf(key);
    const row = rows.get(id);
    if (row === undefined) {
      rows.set(id, operation);
      return;
    }
    rows.set(id, { key, groups: merged(row.groups, groups) });
  }

  #addSet(operation: SetRow): void {
    const rows = entry(this.#sets, operation.table.name);
    const id = idOf(operation.key);
    const before = rows.get(id);
    if (before === undefined || operation.guard >= before.guard) rows.set(id, operation);
  }

  #addLog({ table, row }: Extract<Operation, { readonly table: LogTable }>): void {
    const rows = entry(this.#logs, table.name);
    const id = String(row['event_key']);
    if (!rows.has(id)) rows.set(id, row);
    else if (table.reportsCopies) this.#addCopy(table, row);
  }

  #addCopy({ name }: LogTable, row: Row): void {
    const rows = this.#copies.get(name);
    if (rows === undefined) this.#copies.set(name, [row]);
    else rows.push(row);
  }
}

function merged(before: Groups, after: Groups): Groups {
  const groups = { ...before };
  for (const [name, write] of Object.entries(after)) {
    const current = groups[name];
    if (write !== undefined && (current === undefined || write.guard >= current.guard)) {
      groups[name] = write;
    }
  }
  return groups;
}

function entry<Item>(tables: Map<string, Map<string, Item>>, name: string): Map<string, Item> {
  let rows = tables.get(name);
  if (rows === undefined) {
    rows = new Map();
    tables.set(name, rows);
  }
  return rows;
}

/** Keys hold numbers and text without U+0000, so joined keys stay distinct. */
function idOf(key: Row): string {
  return Object.values(key).join('\u0000');
}
