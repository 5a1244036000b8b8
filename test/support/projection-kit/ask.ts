import { isDeepStrictEqual } from 'node:util';
import type { MemoryEvent } from '@memfleet/events';
import {
  handlerOf,
  isRepeatable,
  type Operation,
  type Position,
  type Projection,
  SEALED,
} from '@memfleet/projections';
import { checkOperations } from './check-operations.ts';
import { type Check, ProjectionFault, shown } from './fault.ts';
import { deepFrozen, GlobalTouched, withFrozenGlobals } from './frozen-globals.ts';
import { type Entry, moved, shownEntry } from './log.ts';

/** An event with the row operations that follow from it. */
export interface Answer {
  readonly entry: Entry;
  readonly operations: readonly Operation[];
  /** A later copy in the log is recognised by its key, and has no effect. */
  readonly isOnce: boolean;
}

/** How far the log is shifted to check that guards shift too: a number that does not occur otherwise. */
const MOVED_BY = 1_000_003;

/**
 * Calls the handler of an event twice, with everything frozen, and checks its result against the tables
 * and its guards against the positions. @throws ProjectionFault
 */
export function ask(projection: Projection, entry: Entry): Answer {
  const operations = call(projection, entry);
  checkOperations(projection, entry, operations);
  expectSame(
    projection,
    { entry, operations: deepFrozenRows(operations) },
    call(projection, entry),
    'gives other rows when it is asked a second time',
  );
  checkGuards(projection, entry, operations);
  return { entry, operations, isOnce: isOnce(projection, entry.event) };
}

/** Calls the handlers in another order, which reveals hidden state. @throws ProjectionFault */
export function askAgain(projection: Projection, answer: Answer): void {
  expectSame(
    projection,
    answer,
    call(projection, answer.entry),
    'gives other rows when it is asked in another order of events',
  );
}

/** The answer to a copy of the event, later in the log. */
export function askCopy(projection: Projection, { entry }: Answer, sequence: number): Answer {
  const copy = { ...entry, sequence, isCopy: true };
  return {
    entry: copy,
    operations: call(projection, copy),
    isOnce: isOnce(projection, copy.event),
  };
}

function isOnce(projection: Projection, { type }: MemoryEvent): boolean {
  return handlerOf(projection, type) !== undefined && !isRepeatable(projection, type);
}

function call(projection: Projection, entry: Entry): readonly Operation[] {
  const { event, sequence, eventKey } = entry;
  const at: Position = { sequence, eventKey };
  const handler = handlerOf(projection, event.type);
  if (handler === undefined) return [];
  let given: unknown;
  try {
    given = withFrozenGlobals(() => handler(event, deepFrozen(at)));
  } catch (error) {
    throw faultOf(projection, entry, error);
  }
  if (!Array.isArray(given)) {
    throw new ProjectionFault({
      projection: projection.name,
      check: 'operations',
      what: `the handler of ${event.type} gives ${given instanceof Promise ? 'a promise' : shown(given)} instead of a list of row operations`,
      where: [shownEntry(entry)],
      hint: 'handlers are plain functions: return an array of results of a table’s write, add or replace, or [] for nothing',
    });
  }
  return given as readonly Operation[];
}

function faultOf(projection: Projection, entry: Entry, error: unknown): ProjectionFault {
  const { name } = projection;
  const { type } = entry.event;
  const where = [shownEntry(entry)];
  if (error instanceof GlobalTouched) {
    return new ProjectionFault({
      projection: name,
      check: 'frozen globals',
      what: `the handler of ${type} uses ${error.touched}`,
      where,
      hint: 'a rebuild next year must make the same rows: take times from event.time, ids from at.eventKey, and everything else from the event',
    });
  }
  const reason = error instanceof Error ? error.message : String(error);
  if (
    error instanceof TypeError &&
    /read only|not extensible|Cannot (?:delete|define)/.test(reason)
  ) {
    return new ProjectionFault({
      projection: name,
      check: 'frozen events',
      what: `the handler of ${type} changes its input, or an earlier result (${reason})`,
      where,
      hint: 'an event is the same object for everybody who reads it: make a new value, such as { ...data } or list.toSorted()',
    });
  }
  return new ProjectionFault({
    projection: name,
    check: 'operations',
    what: `the handler of ${type} throws on a valid event: ${reason}`,
    where,
    hint: 'in production this parks the memory and all its later events: handle the event, or return [] when it has no effect',
  });
}

function expectSame(
  projection: Projection,
  { entry, operations }: Pick<Answer, 'entry' | 'operations'>,
  again: readonly Operation[],
  what: string,
): void {
  if (isDeepStrictEqual(operations, again)) return;
  const index = operations.findIndex((each, at) => !isDeepStrictEqual(each, again[at]));
  throw new ProjectionFault({
    projection: projection.name,
    check: 'twice',
    what: `the handler of ${entry.event.type} ${what}`,
    where: [
      shownEntry(entry),
      `first: ${shownOperation(operations[index] ?? operations.at(again.length))}`,
      `then:  ${shownOperation(again[index === -1 ? operations.length : index])}`,
    ],
    hint: 'a handler must not keep state: no outside variable, no counter. To count, add a row per event to a log table and let the view count the rows',
  });
}

function shownOperation(operation: Operation | undefined): string {
  if (operation === undefined) return 'nothing';
  const { table, ...rest } = operation;
  return `${table.name} ${shown(rest)}`;
}

/** Only the rows, not their tables: those belong to the projection. */
function deepFrozenRows(operations: readonly Operation[]): readonly Operation[] {
  for (const { table: _, ...rest } of operations) deepFrozen(rest);
  return Object.freeze(operations);
}

interface GuardAt {
  readonly table: string;
  readonly group: string;
  readonly guard: number;
}

/** Shifts the whole log: a guard that does not shift with it is no position. */
function checkGuards(projection: Projection, entry: Entry, operations: readonly Operation[]): void {
  const before = operations.flatMap(guardsOf);
  const after = call(projection, moved(entry, MOVED_BY)).flatMap(guardsOf);
  for (const [index, { table, group, guard }] of before.entries()) {
    const other = after[index];
    if (other === undefined || other.table !== table || other.group !== group) continue;
    const isPosition = Math.abs(other.guard - guard) === MOVED_BY;
    if (isPosition || (guard === SEALED && other.guard === SEALED)) continue;
    const check: Check = 'guards';
    throw new ProjectionFault({
      projection: projection.name,
      check,
      what: `the handler of ${entry.event.type} writes ${table} with the guard ${guard}, which is no position of the log`,
      where: [
        shownEntry(entry),
        `group ${group}: with the whole log ${MOVED_BY} positions further on, the guard is ${other.guard}`,
      ],
      hint: 'a guard decides which of two writes wins: latest(at.sequence) for values that are replaced, earliest(at.sequence) for values set once, latest(data.cause.sequence) for results of the stages, SEALED for values that nothing may undo',
    });
  }
}

function guardsOf(operation: Operation): GuardAt[] {
  if ('groups' in operation) {
    return Object.entries(operation.groups).flatMap(([group, write]) =>
      write === undefined ? [] : [{ table: operation.table.name, group, guard: write.guard }],
    );
  }
  if ('members' in operation) {
    const { table, guard } = operation;
    return [{ table: table.name, group: table.group.guard, guard }];
  }
  return [];
}
