import { isDeepStrictEqual } from 'node:util';
import type { Operation, Projection } from '@memfleet/projections';
import type { Answer } from './ask.ts';
import { ProjectionFault, shownKey } from './fault.ts';
import { shownEntry } from './log.ts';

interface Write {
  readonly answer: Answer;
  readonly row: unknown;
}

/**
 * Of two writes with equal guards the later in time wins. That is well-defined only when the order of
 * events is certain: within a memory, and not for copies, which may come at any time.
 * @throws ProjectionFault
 */
export function checkTies(projection: Projection, answers: readonly Answer[]): void {
  const writes = new Map<string, Write[]>();
  for (const answer of answers) {
    for (const operation of answer.operations) {
      for (const { id, row } of guardedWrites(operation)) {
        const before = writes.get(id) ?? [];
        writes.set(id, before);
        for (const other of before) {
          compare(projection, operation, other, { answer, row });
        }
        before.push({ answer, row });
      }
    }
  }
}

function compare(projection: Projection, operation: Operation, first: Write, second: Write): void {
  if (first.answer === second.answer || isDeepStrictEqual(first.row, second.row)) return;
  const [a, b] = [first.answer.entry, second.answer.entry];
  const isOneMemory = a.event.tenantid === b.event.tenantid && a.event.subject === b.event.subject;
  if (isOneMemory && first.answer.isOnce && second.answer.isOnce) return;
  const key = 'key' in operation ? shownKey(operation.key) : '';
  throw new ProjectionFault({
    projection: projection.name,
    check: isOneMemory ? 'copies' : 'lanes',
    what: `two events write different values into one row of ${operation.table.name} with the same guard`,
    where: [
      `${operation.table.name}, row ${key}`,
      `event: ${shownEntry(a)}`,
      `event: ${shownEntry(b)}`,
    ],
    hint: isOneMemory
      ? 'a copy of the first, stored later, would undo the second: leave the type of the event out of `repeatable`, which is only for events whose copies change nothing'
      : 'events of different memories come in any order: give each memory a row of its own (tenant and memory in the key) and let a view add them up, or use a guard that no two memories share, such as latest(at.sequence)',
  });
}

function guardedWrites(operation: Operation): { id: string; row: unknown }[] {
  const { table } = operation;
  if ('groups' in operation) {
    return Object.entries(operation.groups).flatMap(([group, write]) =>
      write === undefined
        ? []
        : [{ id: idOf(table.name, operation.key, group, write.guard), row: write.row }],
    );
  }
  if ('members' in operation) {
    const { key, guard, row, members } = operation;
    return [{ id: idOf(table.name, key, '', guard), row: { row, members } }];
  }
  return [];
}

function idOf(table: string, key: object, group: string, guard: number): string {
  return JSON.stringify([table, Object.values(key), group, guard]);
}
