import { type Operation, type Row, tableNames, type Projection } from '@memfleet/projections';
import type { Answer } from './ask.ts';
import { shown, shownKey } from './fault.ts';
import { shownEntry } from './log.ts';
import type { Rows } from './tables-in-memory.ts';

export interface Difference {
  readonly table: string;
  /** Undefined when the row is missing. */
  readonly expected: Row | undefined;
  readonly found: Row | undefined;
}

/** The first row that differs, is missing, or should not be there. */
export function firstDifference(
  expected: ReadonlyMap<string, Rows>,
  found: ReadonlyMap<string, Rows>,
): Difference | undefined {
  for (const [table, rows] of expected) {
    const others = found.get(table);
    for (const id of new Set([...rows.keys(), ...(others?.keys() ?? [])])) {
      const [a, b] = [rows.get(id), others?.get(id)];
      if (a === undefined || b === undefined || differingColumns(a, b).length > 0) {
        return { table, expected: a, found: b };
      }
    }
  }
  return undefined;
}

function differingColumns(a: Row, b: Row): string[] {
  return Object.keys({ ...a, ...b }).filter((name) => a[name] !== b[name]);
}

/** Names the row, the columns that differ, and the events involved, one line each. */
export function describeDifference(
  projection: Projection,
  { table, expected, found }: Difference,
  answers: readonly Answer[],
): string[] {
  const row = expected ?? found ?? {};
  const key = keyOf(projection, table, row);
  const about = `${table}, row ${shownKey(key)}`;
  const events = answers
    .filter(({ operations, entry }) =>
      table === 'applied'
        ? entry.eventKey === row['event_key']
        : operations.some((operation) => isAbout(operation, table, key)),
    )
    .slice(-6)
    .map(({ entry }) => `event: ${shownEntry(entry)}`);
  if (expected === undefined) return [`${about}: should not be there`, ...events];
  if (found === undefined) return [`${about}: is missing`, ...events];
  const columns = differingColumns(expected, found).map(
    (name) => `${name} is ${shown(found[name])} and should be ${shown(expected[name])}`,
  );
  return [`${about}: ${columns.join(', ')}`, ...events];
}

function keyOf(projection: Projection, name: string, row: Row): Row {
  const columns = keyColumns(projection, name);
  return Object.fromEntries(columns.map((column) => [column, row[column] ?? null]));
}

/** Of a declared table or of the members of a set. */
function keyColumns({ tables }: Projection, name: string): string[] {
  const table = tables.find((each) => tableNames(each).includes(name));
  if (table === undefined) return ['event_key', 'memory'];
  switch (table.kind) {
    case 'log':
      return ['event_key'];
    case 'keyed':
      return Object.keys(table.key);
    case 'set':
      return Object.keys({ ...table.key, ...table.members[name]?.key });
    default:
      return table satisfies never;
  }
}

/** Whether an operation writes the row; for members, whether it writes their owner. */
function isAbout(operation: Operation, table: string, key: Row): boolean {
  if ('row' in operation && !('members' in operation)) {
    return operation.table.name === table && operation.row['event_key'] === key['event_key'];
  }
  if (!tableNames(operation.table).includes(table)) return false;
  return Object.entries(operation.key).every(([name, value]) => key[name] === value);
}
