import {
  Fold,
  type KeyedTable,
  type KeyedRow,
  type LogTable,
  type Operation,
  type Projection,
  type Row,
  SEALED,
  type SetRow,
  type SetTable,
} from '@memfleet/projections';
import type { Answer } from './ask.ts';

/** Rows of a table by their keys. */
export type Rows = ReadonlyMap<string, Row>;

interface Owner {
  readonly key: Row;
  readonly guard: number;
  readonly row: Row;
  readonly members: Readonly<Record<string, readonly Row[]>>;
}

/**
 * The tables of a projection without a database: a second implementation of shared/projections/src/sql.
 * It writes either one operation after the other, which is the plain fold of the log, or in batches like
 * the engine.
 */
export class TablesInMemory {
  readonly #projection: Projection;
  readonly #keyed = new Map<string, Map<string, KeyedRow>>();
  readonly #logs = new Map<string, Map<string, Row>>();
  readonly #sets = new Map<string, Map<string, Owner>>();
  readonly #applied = new Map<string, Row>();

  constructor(projection: Projection) {
    this.#projection = projection;
    for (const { kind, name } of projection.tables) {
      if (kind === 'keyed') this.#keyed.set(name, new Map());
      else if (kind === 'log') this.#logs.set(name, new Map());
      else this.#sets.set(name, new Map());
    }
  }

  /** One event after the other, one operation after the other. */
  applyOneByOne(answers: readonly Answer[]): void {
    for (const answer of answers) {
      if (!this.#claim(answer)) continue;
      for (const operation of answer.operations) this.#write(operation);
    }
  }

  /** Folded first, then written table by table. */
  applyBatch(answers: readonly Answer[]): void {
    const fold = new Fold();
    for (const answer of answers) {
      if (!this.#claim(answer)) continue;
      for (const operation of answer.operations) fold.add(operation);
    }
    for (const table of this.#projection.tables) {
      if (table.kind === 'keyed') {
        const { sealedBy } = table;
        for (const owner of sealedBy === undefined ? [] : fold.keyed(sealedBy.owner)) {
          if (owner.groups[sealedBy?.group ?? '']?.guard === SEALED) this.#drop(table, owner.key);
        }
        for (const { key, groups } of fold.keyed(table)) this.#writeKeyed(table, { key, groups });
      } else if (table.kind === 'log') {
        for (const row of fold.log(table)) this.#writeLog(table, row);
      } else {
        for (const row of fold.sets(table)) this.#writeSet(row);
      }
    }
  }

  /** Every table, including those of set members and of applied events. */
  rows(): ReadonlyMap<string, Rows> {
    const tables = new Map<string, Rows>();
    for (const table of this.#projection.tables) {
      if (table.kind === 'keyed') {
        tables.set(table.name, mapValues(entry(this.#keyed, table.name), keyedAsRow(table)));
      } else if (table.kind === 'log') {
        tables.set(table.name, entry(this.#logs, table.name));
      } else {
        for (const [name, rows] of this.#rowsOfSet(table)) tables.set(name, rows);
      }
    }
    return tables.set('applied', this.#applied);
  }

  #rowsOfSet(table: SetTable): [string, Rows][] {
    const owners = entry(this.#sets, table.name);
    const ownRows = mapValues(owners, ({ key, row, guard }) => ({
      ...key,
      ...row,
      [table.group.guard]: guard,
    }));
    const members = Object.entries(table.members).map(([name, member]): [string, Rows] => {
      const rows = [...owners.values()].flatMap((owner) =>
        (owner.members[name] ?? []).map((row): [string, Row] => {
          const key = Object.keys(member.key).map((column) => row[column]);
          return [JSON.stringify([...Object.values(owner.key), ...key]), { ...owner.key, ...row }];
        }),
      );
      return [name, new Map(rows)];
    });
    return [[table.name, ownRows], ...members];
  }

  /** False for a copy of an event that must be applied once. */
  #claim({ entry: { event, eventKey }, isOnce }: Answer): boolean {
    if (!isOnce) return true;
    const row = { event_key: eventKey, memory: event.subject };
    const id = idOf(row);
    if (this.#applied.has(id)) return false;
    this.#applied.set(id, row);
    return true;
  }

  #write(operation: Operation): void {
    if ('groups' in operation) {
      const { table, key, groups } = operation;
      this.#writeKeyed(table, { key, groups });
      for (const owned of this.#projection.tables) {
        if (owned.kind !== 'keyed' || owned.sealedBy?.owner.name !== table.name) continue;
        if (groups[owned.sealedBy.group]?.guard === SEALED) this.#drop(owned, key);
      }
    } else if ('members' in operation) {
      this.#writeSet(operation);
    } else {
      this.#writeLog(operation.table, operation.row);
    }
  }

  #writeKeyed(table: KeyedTable, { key, groups }: KeyedRow): void {
    if (this.#isSealed(table, key)) return;
    const rows = entry(this.#keyed, table.name);
    const id = idOf(key);
    const stored = { ...rows.get(id)?.groups };
    for (const [name, write] of Object.entries(groups)) {
      const before = stored[name];
      if (write === undefined || (before !== undefined && write.guard < before.guard)) continue;
      stored[name] = write;
    }
    rows.set(id, { key, groups: stored });
  }

  #isSealed({ sealedBy }: KeyedTable, key: Row): boolean {
    if (sealedBy === undefined) return false;
    const { owner, group } = sealedBy;
    const found = entry(this.#keyed, owner.name).get(idOf(partOf(key, owner)));
    return found?.groups[group]?.guard === SEALED;
  }

  #drop(table: KeyedTable, ownerKey: Row): void {
    const rows = entry(this.#keyed, table.name);
    const isOwned = ({ key }: KeyedRow): boolean =>
      Object.entries(ownerKey).every(([name, value]) => key[name] === value);
    for (const [id, row] of rows) if (isOwned(row)) rows.delete(id);
  }

  /** Of two copies the one earlier in the log is kept. */
  #writeLog({ name }: LogTable, row: Row): void {
    const rows = entry(this.#logs, name);
    const id = String(row['event_key']);
    const before = rows.get(id);
    if (before === undefined || Number(row['sequence']) < Number(before['sequence'])) {
      rows.set(id, row);
    }
  }

  #writeSet({ table, key, guard, row, members }: SetRow): void {
    const rows = entry(this.#sets, table.name);
    const id = idOf(key);
    const before = rows.get(id);
    if (before === undefined || guard >= before.guard) rows.set(id, { key, guard, row, members });
  }
}

/** Every column, also of groups without a write yet. */
function keyedAsRow(table: KeyedTable): (row: KeyedRow) => Row {
  return ({ key, groups }) => {
    const row: Record<string, Row[string]> = { ...key };
    for (const [name, { guard, columns }] of Object.entries(table.groups)) {
      const write = groups[name];
      for (const column of Object.keys(columns)) row[column] = write?.row[column] ?? null;
      row[guard] = write?.guard ?? null;
    }
    return row;
  };
}

function partOf(key: Row, owner: KeyedTable): Row {
  return Object.fromEntries(Object.keys(owner.key).map((name) => [name, key[name] ?? null]));
}

function idOf(key: Row): string {
  return JSON.stringify(Object.values(key));
}

function entry<Item>(
  tables: ReadonlyMap<string, Map<string, Item>>,
  name: string,
): Map<string, Item> {
  const found = tables.get(name);
  if (found === undefined) throw new Error(`there is no table ${name}`);
  return found;
}

function mapValues<From, To>(
  map: ReadonlyMap<string, From>,
  make: (value: From) => To,
): Map<string, To> {
  return new Map([...map].map(([id, value]) => [id, make(value)]));
}
