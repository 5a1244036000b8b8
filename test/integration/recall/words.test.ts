import { recall, type RecallQuery } from '@memfleet/recall';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { recallTuned } from '../../../shared/recall/src/recall.ts';
import { TUNING } from '../../../shared/recall/src/tuning.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, type ReadModels, remember, type Remembered } from './read-models.ts';

let database: TestDatabase;
let models: ReadModels;

const FILLERS = ['garden', 'roof', 'boiler', 'fence', 'window'];

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  models = await remember(database.pool, undefined, [
    { memory: 'green', content: 'Ada drinks green tea in the morning.' },
    { memory: 'order', content: 'The tea in the green pot is cold.' },
    { memory: 'gap', content: 'She drinks tea with coffee.' },
    { memory: 'long', content: `A kayak, ${'a paddle, a helmet, '.repeat(20)}` },
    { memory: 'short', content: 'A kayak.' },
    { memory: 'twice', content: 'A kayak, a yellow kayak.' },
    { memory: 'cafe', content: 'Nous étions au café à Orléans.' },
    { memory: 'wide', content: 'The ＲＯＵＴＥＲ is a ＴＰ－Ｌｉｎｋ.' },
    // A tenant in which one word is in every memory and another one in few.
    ...Array.from({ length: 300 }, (_, index): Remembered => ({
      tenant: 'many',
      memory: `m-${index}`,
      content: `The house: ${FILLERS[index % 5]} number ${index}${index % 100 === 0 ? ' leaks' : ''}.`,
      ...(index % 3 === 0 ? { user: 'ada' } : {}),
    })),
    // Last, so that it is behind most rows with the word.
    { tenant: 'many', memory: 'm-short', content: 'House.' },
  ]);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

async function ask(query: string, options: Partial<RecallQuery> = {}) {
  const { hits } = await recall(database.pool, { tenant: 'acme', limit: 50, ...options, query });
  return hits.map(({ memory }) => memory);
}

test('a phrase must be there, word by word', async () => {
  expect(await ask('"green tea"')).toEqual(['green']);
  expect(await ask('"tea green"')).toEqual([]);
  // Words that say nothing keep their place.
  expect(await ask('"tea with coffee"')).toEqual(['gap']);
  expect(await ask('"tea coffee"')).toEqual([]);
  expect(await ask('"drinks green" garden')).toEqual(['green']);
});

test('what is excluded is not there', async () => {
  expect((await ask('tea')).toSorted()).toEqual(['gap', 'green', 'order']);
  expect((await ask('tea -coffee')).toSorted()).toEqual(['green', 'order']);
  expect((await ask('tea -"green tea"')).toSorted()).toEqual(['gap', 'order']);
  // In whatever form.
  expect((await ask('tea -drinking')).toSorted()).toEqual(['order']);
  // A dash inside of a word, and one that stands alone, exclude nothing.
  expect(await ask('pre-tea - coffee')).toContain('gap');
});

test('a short content with the word stands before a long one, and repetition counts', async () => {
  expect(await ask('kayak')).toEqual(['twice', 'short', 'long']);
});

test('accents are optional, and full-width letters are letters', async () => {
  expect(await ask('cafe Orleans')).toEqual(['cafe']);
  expect(await ask('CAFÉ')).toEqual(['cafe']);
  expect(await ask('router')).toEqual(['wide']);
  expect(await ask('tp-link')).toEqual(['wide']);
});

test('a rare word decides, and one that most memories have brings none in', async () => {
  const found = await ask('house leaks', { tenant: 'many' });
  expect(found.toSorted()).toEqual(['m-0', 'm-100', 'm-200']);
});

test('a scope makes no common word rare', async () => {
  const found = await ask('house leaks', { tenant: 'many', scope: { user: 'ada' } });
  expect(found).toEqual(['m-0']);
});

test('without a rarer word the common ones decide, and all of their memories are ranked', async () => {
  for (const query of ['house', 'the house', 'house number']) {
    expect(await ask(query, { tenant: 'many' })).toHaveLength(50);
  }
  const { hits, notes } = await recall(database.pool, { tenant: 'many', query: 'house' });
  expect(hits[0]?.memory).toBe('m-short');
  expect(notes).toEqual([]);
});

test.each([
  ['many', 'house', 20],
  ['many', 'roof', 20],
  ['acme', 'tea', 2],
])(
  'in %s, "%s" alone has too many memories, and the answer says that some were left out',
  async (tenant, query, textMatches) => {
    const { hits, notes } = await recall(database.pool, { tenant, query, bounds: { textMatches } });
    expect(hits).not.toEqual([]);
    expect(notes).toMatchObject([
      { code: 'TEXT_BOUND_REACHED', message: expect.stringMatching(/only some of them/) as string },
    ]);
  },
);

test('a word with more memories than one search looks at only adds to what others found', async () => {
  const input = { tenant: 'many', limit: 5, query: 'roof leaks' };
  const bounds = { textMatches: 20 };
  const { hits, notes } = await recall(database.pool, { ...input, bounds });
  expect(hits.map(({ memory }) => memory).toSorted()).toEqual(['m-0', 'm-100', 'm-200']);
  expect(notes).toMatchObject([{ code: 'TEXT_BOUND_REACHED' }]);
  const exact = await recall(database.pool, input);
  expect(exact.notes).toEqual([]);
  expect(exact.hits.length).toBe(5);
  // What most memories have adds nothing, however few of them were looked at.
  const more = await recall(database.pool, { ...input, bounds, query: 'roof house leaks' });
  expect(more.hits).toEqual(hits);
});

test('a revision is found by its own words, and no longer by the old ones', async () => {
  await models.remember([{ memory: 'rev', content: 'Ada rides a horse.' }]);
  await models.happen('acme', 'rev', 'memory.revised', { content: 'Ada rides a camel.' });
  expect(await ask('camel')).toEqual(['rev']);
  expect(await ask('horse')).toEqual([]);
});

test('what is forgotten leaves no word behind', async () => {
  await models.remember([{ memory: 'secret', content: 'The password is swordfish.' }]);
  expect(await ask('swordfish')).toEqual(['secret']);
  await models.happen('acme', 'secret', 'memory.forgotten', {});
  expect(await ask('swordfish')).toEqual([]);
  const { rows } = await database.pool.query(
    `select * from memories_1.memories where memory = 'secret'`,
  );
  expect(JSON.stringify(rows)).not.toMatch(/swordfish/);
});

test('with every word required, or no word rarer than another, the answers are others', async () => {
  const input = { tenant: 'acme', query: 'Ada green submarine' };
  const all = { ...TUNING, text: { ...TUNING.text, match: 'all' as const } };
  expect((await recallTuned(database.pool, input, all)).hits).toEqual([]);
  expect((await recall(database.pool, input)).hits).not.toEqual([]);
});
