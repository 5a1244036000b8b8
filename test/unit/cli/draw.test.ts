import { expect, test } from 'vitest';
import { buildTrees, drawTree } from '../../../workers/cli/src/events/draw.ts';
import type { LineageRow } from '../../../workers/cli/src/events/lineage.ts';

let sequence = 0;
function row(id: string, cause: string, type = 'memory.created', tenant = 'acme'): LineageRow {
  sequence += 1;
  return {
    event_key: id,
    event_id: id,
    tenant,
    memory: 'm-1',
    source: '/test',
    type,
    sequence: String(sequence),
    time: new Date('2026-01-31T12:00:00Z'),
    correlation_id: 'a',
    causation_id: cause,
  };
}

test('events are drawn below their causes, and the given one is marked', () => {
  sequence = 0;
  const rows = [
    row('a', 'a'),
    row('b', 'a', 'memory.extracted'),
    row('c', 'b', 'memory.embedded'),
    row('d', 'a', 'memory.embedded'),
  ];
  const [tree] = buildTrees(rows);
  expect(tree === undefined ? '' : drawTree(tree, 'c')).toBe(
    [
      'memory.created  a  #1  acme/m-1  2026-01-31T12:00:00.000Z',
      '├─ memory.extracted  b  #2  acme/m-1  2026-01-31T12:00:00.000Z',
      '│  └─ memory.embedded  c  #3  acme/m-1  2026-01-31T12:00:00.000Z  ◀',
      '└─ memory.embedded  d  #4  acme/m-1  2026-01-31T12:00:00.000Z',
    ].join('\n'),
  );
});

test('an event with an unknown cause is a root, and a circle ends', () => {
  const trees = buildTrees([row('x', 'gone'), row('y', 'z'), row('z', 'y')]);
  expect(trees.map(({ id }) => id)).toEqual(['x', 'y']);
  expect(trees[1]?.children.map(({ id }) => id)).toEqual(['z']);
  expect(trees[1]?.children[0]?.children).toEqual([]);
});

test("a tenant's event is not put below another tenant's event of the same id", () => {
  const trees = buildTrees([row('a', 'a'), row('b', 'a', 'memory.extracted', 'other')]);
  expect(trees.map(({ tenant, children }) => [tenant, children.length])).toEqual([
    ['acme', 0],
    ['other', 0],
  ]);
});
