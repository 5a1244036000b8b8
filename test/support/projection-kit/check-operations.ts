import { isStorable } from '@memfleet/events';
import type { Columns, Operation, Projection, Table } from '@memfleet/projections';
import { ProjectionFault, shown, shownKey } from './fault.ts';
import { type Entry, shownEntry } from './log.ts';

type Row = Readonly<Record<string, unknown>>;

/**
 * Checks a handler's operations against their tables. The compiler finds most problems; the others would
 * be silently dropped, or park memories in production. @throws ProjectionFault
 */
export function checkOperations(
  projection: Projection,
  entry: Entry,
  operations: readonly Operation[],
): void {
  const logged = new Set<string>();
  for (const operation of operations) {
    const problem =
      problemOfTable(projection, operation.table) ??
      problemOf(operation) ??
      secondRow(logged, operation);
    if (problem === undefined) continue;
    throw new ProjectionFault({
      projection: projection.name,
      check: 'operations',
      what: `the handler of ${entry.event.type}, table ${operation.table.name}: ${problem.what}`,
      where: [shownEntry(entry)],
      hint: problem.hint,
    });
  }
}

interface Problem {
  readonly what: string;
  readonly hint: string;
}

function problemOfTable(
  { tables }: Projection,
  { name, kind }: Pick<Table, 'name' | 'kind'>,
): Problem | undefined {
  if (tables.some((table) => table.name === name && table.kind === kind)) return undefined;
  return {
    what: 'is not one of the projection’s tables, and nothing would be written',
    hint: 'list it under `tables` in defineProjection',
  };
}

/** Of two rows of one event the first is kept, and the second would be lost. */
function secondRow(logged: Set<string>, operation: Operation): Problem | undefined {
  if (operation.table.kind !== 'log') return undefined;
  const { name } = operation.table;
  if (logged.has(name)) {
    return {
      what: 'a second row for one event',
      hint: 'a log table has one row per event; if an event makes several rows, put them in a keyed table, or in the members of a set table',
    };
  }
  logged.add(name);
  return undefined;
}

function problemOf(operation: Operation): Problem | undefined {
  if ('groups' in operation) {
    const { table, key, groups } = operation;
    return (
      problemOfRow(key, table.key, true) ??
      first(Object.entries(groups), ([name, write]) => {
        const group = table.groups[name];
        if (group === undefined) {
          return { what: `there is no group ${name}`, hint: 'declare it, or correct its name' };
        }
        if (write === undefined) return undefined;
        return problemOfGuard(write.guard) ?? problemOfRow(write.row, group.columns, false);
      })
    );
  }
  if ('members' in operation) {
    const { table, key, guard, row, members } = operation;
    return (
      problemOfRow(key, table.key, true) ??
      problemOfGuard(guard) ??
      problemOfRow(row, table.group.columns, false) ??
      first(Object.entries(members), ([name, rows]) => {
        const member = table.members[name];
        if (member === undefined) {
          return {
            what: `there are no members ${name}`,
            hint: 'declare them, or correct the name',
          };
        }
        return (
          first(rows, (each) => problemOfMember(each, member)) ?? doubleKey(name, rows, member.key)
        );
      })
    );
  }
  return problemOfRow(operation.row, operation.table.columns, false);
}

function problemOfMember(
  row: Row,
  { key, columns }: { readonly key: Columns; readonly columns: Columns },
): Problem | undefined {
  const keyPart = Object.fromEntries(Object.keys(key).map((name) => [name, row[name]]));
  return problemOfRow(keyPart, key, true) ?? problemOfRow(row, { ...key, ...columns }, false);
}

/** PostgreSQL refuses the second row, and with it the event. */
function doubleKey(name: string, rows: readonly Row[], key: Columns): Problem | undefined {
  const seen = new Set<string>();
  for (const row of rows) {
    const part = Object.fromEntries(Object.keys(key).map((each) => [each, row[each]]));
    const id = JSON.stringify(Object.values(part));
    if (seen.has(id)) {
      return {
        what: `two rows of ${name} have the same key: ${shownKey(part)}`,
        hint: 'merge duplicates before writing them, or add a column to the key that distinguishes the rows',
      };
    }
    seen.add(id);
  }
  return undefined;
}

function problemOfGuard(guard: number): Problem | undefined {
  if (Number.isSafeInteger(guard)) return undefined;
  return { what: `${shown(guard)} is no guard`, hint: 'use latest(), earliest() or SEALED' };
}

function problemOfRow(row: Row, columns: Columns, isKey: boolean): Problem | undefined {
  const unknown = Object.keys(row).find((name) => !(name in columns));
  if (unknown !== undefined) {
    return {
      what: `column ${unknown} is not declared here, and would not be written`,
      hint: 'declare it with its type and add it to tables.sql, or leave it out',
    };
  }
  return first(Object.entries(columns), ([name, type]) => {
    const value = row[name];
    if (value === null && !isKey) return undefined;
    const expected = EXPECTED[type];
    if (expected.fits(value)) return undefined;
    return {
      what: `column ${name} is ${expected.words}${isKey ? ' of the key' : ''}, and the handler gives ${shown(value)}`,
      hint: isKey
        ? 'a key has no nulls: take it from a field that every such event has'
        : 'give null when the event has no value, or change the column’s type in both places',
    };
  });
}

const isText = (value: unknown): value is string => typeof value === 'string' && isStorable(value);
const isWhole = (value: unknown): value is number => Number.isSafeInteger(value);

const EXPECTED = {
  text: { words: 'text', fits: isText },
  uuid: {
    words: 'a UUID',
    fits: (value: unknown) =>
      isText(value) && /^[\da-f]{8}-(?:[\da-f]{4}-){3}[\da-f]{12}$/i.test(value),
  },
  timestamptz: {
    words: 'a time as the event writes it',
    fits: (value: unknown) => isText(value) && !Number.isNaN(Date.parse(value)),
  },
  int: {
    words: 'a whole number of 32 bits',
    fits: (value: unknown) => isWhole(value) && Math.abs(value) <= 0x7f_ff_ff_ff,
  },
  bigint: { words: 'a whole number', fits: isWhole },
  'double precision': {
    words: 'a finite number',
    fits: (value: unknown) => Number.isFinite(value),
  },
} as const;

function first<Item>(
  items: readonly Item[],
  problem: (item: Item) => Problem | undefined,
): Problem | undefined {
  for (const item of items) {
    const found = problem(item);
    if (found !== undefined) return found;
  }
  return undefined;
}
