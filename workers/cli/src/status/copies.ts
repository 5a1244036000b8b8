import type { ConflictingCopies } from '@memfleet/projections';
import { table } from '../table.ts';
import { grouped, printable } from '../words.ts';

/** Describes conflicting copies in the log and what to do about them; empty when there are none. */
export function copiesText({ count, unjudged, latest }: ConflictingCopies): string[] {
  const waiting =
    unjudged === 0 ? [] : ['', `${grouped(unjudged)} copies have not been compared yet`];
  if (count === 0) return waiting;
  const rows = latest.map(({ tenant, eventId, type, sequence, firstSequence }) => [
    printable(eventId ?? '-'),
    tenant ?? '-',
    printable(type ?? '-'),
    grouped(firstSequence),
    grouped(sequence),
  ]);
  return [
    '',
    `${copiesInWords(count)}: compare them with \`memfleet events show <id>\``,
    table(
      [
        { title: 'EVENT', align: 'left' },
        { title: 'TENANT', align: 'left' },
        { title: 'TYPE', align: 'left' },
        { title: 'FIRST', align: 'right' },
        { title: 'AGAIN', align: 'right' },
      ],
      rows,
    ),
    ...waiting,
  ];
}

/** 1 → "1 event is in the log again with another payload". */
export function copiesInWords(count: number): string {
  const what = count === 1 ? '1 event is' : `${grouped(count)} events are`;
  return `${what} in the log again with another payload`;
}
