import {
  earliest,
  Fold,
  keyedTable,
  latest,
  logTable,
  SEALED,
  setTable,
} from '@memfleet/projections';
import { expect, test } from 'vitest';

const notes = keyedTable('notes', {
  key: { tenant: 'text', memory: 'text' },
  groups: {
    content: { guard: 'content_seq', columns: { content: 'text' } },
    kind: { guard: 'kind_seq', columns: { kind: 'text' } },
  },
});
const at = { tenant: 't', memory: 'm' };

function written(...writes: readonly [guard: number, content: string | null][]): string | null {
  const fold = new Fold();
  for (const [guard, content] of writes) {
    fold.add(notes.write(at, { content: { guard, row: { content } } }));
  }
  const [row] = fold.keyed(notes);
  return (row?.groups['content']?.row['content'] ?? null) as string | null;
}

test.each([
  [
    'the last revision wins',
    [
      [latest(3), 'a'],
      [latest(5), 'b'],
    ],
    'b',
  ],
  [
    'whichever comes first',
    [
      [latest(5), 'b'],
      [latest(3), 'a'],
    ],
    'b',
  ],
  [
    'the first creation wins',
    [
      [earliest(3), 'a'],
      [earliest(5), 'b'],
    ],
    'a',
  ],
  [
    'a revision wins over a later creation',
    [
      [latest(3), 'a'],
      [earliest(5), 'b'],
    ],
    'a',
  ],
  [
    'of equal guards the later in the log',
    [
      [latest(3), 'a'],
      [latest(3), 'b'],
    ],
    'b',
  ],
  [
    'a sealed group stays sealed',
    [
      [SEALED, null],
      [latest(Number.MAX_SAFE_INTEGER - 1), 'b'],
    ],
    null,
  ],
] as [string, [number, string | null][], string | null][])('%s', (_, writes, content) => {
  expect(written(...writes)).toBe(content);
});

test('groups of one row win or lose separately, and operations are not modified', () => {
  const fold = new Fold();
  const first = notes.write(at, {
    content: { guard: latest(1), row: { content: 'a' } },
    kind: { guard: latest(9), row: { kind: 'note' } },
  });
  const copy = structuredClone(first);
  fold.add(first);
  fold.add(
    notes.write(at, {
      content: { guard: latest(2), row: { content: 'b' } },
      kind: { guard: latest(3), row: { kind: 'fact' } },
    }),
  );
  expect(fold.keyed(notes)).toEqual([
    {
      key: at,
      groups: {
        content: { guard: 2, row: { content: 'b' } },
        kind: { guard: 9, row: { kind: 'note' } },
      },
    },
  ]);
  expect(first).toEqual(copy);
});

test('keys whose parts join to the same text stay distinct', () => {
  const fold = new Fold();
  for (const key of [
    { tenant: 'ab', memory: 'c' },
    { tenant: 'a', memory: 'bc' },
  ]) {
    fold.add(notes.write(key, { content: { guard: 1, row: { content: 'x' } } }));
  }
  expect(fold.keyed(notes)).toHaveLength(2);
});

test('of two copies of an event the first is added', () => {
  const log = logTable('accesses', { columns: { memory: 'text' } });
  const fold = new Fold();
  for (const sequence of [4, 7]) {
    fold.add(log.add({ eventKey: 'k', sequence }, { memory: `m-${sequence}` }));
  }
  expect(fold.log(log)).toEqual([{ event_key: 'k', sequence: 4, memory: 'm-4' }]);
});

test('a table that reports copies keeps the rows that gave way', () => {
  const log = logTable('lineage', { columns: {}, reportsCopies: true });
  const silent = logTable('accesses', { columns: {} });
  const fold = new Fold();
  for (const [eventKey, sequence] of [
    ['k', 4],
    ['l', 5],
    ['k', 7],
    ['k', 9],
  ] as const) {
    fold.add(log.add({ eventKey, sequence }, {}));
    fold.add(silent.add({ eventKey, sequence }, {}));
  }
  expect(fold.copies(log).map(({ sequence }) => sequence)).toEqual([7, 9]);
  expect(fold.log(log)).toHaveLength(2);
  expect(fold.copies(silent)).toEqual([]);
});

test('a set is replaced as a whole, by the highest guard', () => {
  const owner = setTable('extractions', {
    key: { memory: 'text' },
    group: { guard: 'cause_seq', columns: {} },
    members: { facts: { key: { ordinal: 'int' }, columns: { text: 'text' } } },
  });
  const fold = new Fold();
  const facts = (...texts: string[]) => ({
    facts: texts.map((text, ordinal) => ({ ordinal, text })),
  });
  fold.add(owner.replace({ memory: 'm' }, { guard: latest(5), row: {} }, facts('new')));
  fold.add(owner.replace({ memory: 'm' }, { guard: latest(3), row: {} }, facts('old', 'older')));
  expect(fold.sets(owner).map(({ members }) => members)).toEqual([facts('new')]);
});
