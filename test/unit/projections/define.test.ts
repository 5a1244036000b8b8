import { defineProjection, keyedTable, PROJECTIONS } from '@memfleet/projections';
import { expect, test } from 'vitest';

const home = new URL('../../integration/projections/notes/projection.ts', import.meta.url).href;
const owner = keyedTable('owners', {
  key: { memory: 'text' },
  groups: { content: { guard: 'content_seq', columns: {} } },
});
const owned = keyedTable('owned', {
  key: { memory: 'text', ordinal: 'int' },
  groups: { value: { guard: 'value_seq', columns: { value: 'text' } } },
  sealedBy: { owner, group: 'content' },
});
const about = { name: 'sample', version: 1, home, handlers: {} };

test.each(['Notes', 'no-dash', 'a'.repeat(21), '1st', 'x; drop schema memory'])(
  'a name that is none in the database is refused: %s',
  (name) => {
    expect(() => defineProjection({ ...about, name, tables: [owner] })).toThrow('cannot be a name');
  },
);

test('a column that is not a valid name in the database is refused', () => {
  const table = keyedTable('t', { key: { 'a"b': 'text' }, groups: {} });
  expect(() => defineProjection({ ...about, tables: [table] })).toThrow('a"b cannot be a name');
});

test('tables that an owner seals are written after it', () => {
  expect(() => defineProjection({ ...about, tables: [owned, owner] })).toThrow(
    'owners must come before owned',
  );
  expect(defineProjection({ ...about, tables: [owner, owned] }).tables).toHaveLength(2);
});

test('no two projections share a name or a view', () => {
  const names = PROJECTIONS.map(({ name }) => name);
  expect(names).toEqual(expect.arrayContaining(['memories', 'knowledge', 'lineage']));
  const views = PROJECTIONS.flatMap(
    ({ viewsSql }) => viewsSql.match(/memory\.\w+(?= as\b)/g) ?? [],
  );
  expect(views.length).toBeGreaterThanOrEqual(7);
  for (const list of [names, views]) expect(new Set(list).size).toBe(list.length);
});
