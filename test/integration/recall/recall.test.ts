import { lexicalEmbedder, recall, type Recalled } from '@memfleet/recall';
import { ProviderError } from '@memfleet/runtime';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, remember } from './read-models.ts';

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  await remember(database.pool, lexicalEmbedder, [
    { memory: 'tea', content: 'Ada prefers tea to coffee.' },
    { memory: 'lisbon', content: 'I moved to Lisbon in March.', facts: ['Ada lives in Lisbon.'] },
    {
      memory: 'long',
      content:
        'We talked for hours about the garden, the roof and the neighbours; the boiler is broken again.',
      facts: ['The garden is large.', 'Ada has a peanut allergy.'],
    },
    { memory: 'old', content: 'Ada prefers coffee to tea.', superseded: true },
    { memory: 'gone', content: 'Ada prefers tea with milk.', forgotten: true },
    { memory: 'placeholder', content: null, facts: ['Ada prefers tea from Assam.'] },
    { tenant: 'other', memory: 'tea', content: 'Bob prefers tea to coffee, and Lisbon to Porto.' },
  ]);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

async function ask(query: string, options: { limit?: number; tenant?: string } = {}) {
  return await recall(database.pool, {
    tenant: 'acme',
    embedder: lexicalEmbedder,
    limit: 10,
    ...options,
    query,
  });
}
const names = (found: readonly Recalled[]): string[] => found.map(({ memory }) => memory);

test('what both rankings have comes first, with all that is known of it', async () => {
  const [best] = await ask('prefers tea');
  expect(best).toMatchObject({
    memory: 'tea',
    content: 'Ada prefers tea to coffee.',
    kind: 'note',
    importance: 0.5,
    matched: 'content',
    fullTextRank: 1,
    revised_at: null,
  });
  expect(best?.created_at).toBeInstanceOf(Date);
  expect(best?.similarity).toBeGreaterThan(0.4);
  expect(best?.score).toBeCloseTo(2 / 61, 10);
});

test('words of the content that the query bends otherwise are found by either ranking', async () => {
  expect(names(await ask('moving to lisbon'))).toContain('lisbon');
  // Not all of these words are in the content: only the vector finds it.
  const [best] = await ask('which hot drinks does Ada prefer, tea or something else?');
  expect(best).toMatchObject({ memory: 'tea' });
  expect(best?.fullTextRank).toBeUndefined();
});

test('a fact is found through its own vector, and named', async () => {
  const [best] = await ask('peanut allergies');
  expect(best).toMatchObject({
    memory: 'long',
    matched: 'fact',
    fact: 'Ada has a peanut allergy.',
  });
  expect(best?.content).toMatch(/^We talked/);
});

test('a memory appears once, however many of its vectors are near', async () => {
  const found = names(await ask('garden allergy Lisbon Ada'));
  expect(new Set(found).size).toBe(found.length);
});

test('forgotten, superseded and unknown memories are never returned', async () => {
  const found = names(await ask('Ada prefers tea with milk, coffee to tea, tea from Assam'));
  expect(found).toContain('tea');
  expect(found).not.toContain('old');
  expect(found).not.toContain('gone');
  expect(found).not.toContain('placeholder');
});

test('no tenant sees anything of another', async () => {
  const mine = await ask('Bob prefers tea Lisbon Porto');
  expect(mine.map(({ content }) => content).join(' ')).not.toMatch(/Bob/);
  const theirs = await ask('tea', { tenant: 'other' });
  expect(theirs.map(({ content }) => content)).toEqual([
    'Bob prefers tea to coffee, and Lisbon to Porto.',
  ]);
  expect(await ask('tea', { tenant: 'nobody' })).toEqual([]);
});

test('nothing in common is nothing found', async () => {
  expect(await ask('zyzzyva qwrtp')).toEqual([]);
});

test('no more than asked for', async () => {
  expect(await ask('Ada tea Lisbon garden', { limit: 1 })).toHaveLength(1);
});

test('a vector of a fact that is no more is not matched', async () => {
  await using own = await createTestDatabase();
  await own.pool.query(READ_MODELS);
  await remember(own.pool, lexicalEmbedder, [
    { memory: 'm', content: 'Something else.', facts: ['Ada plays chess.', 'Ada sings.'] },
  ]);
  await own.pool.query(`delete from memory.facts where ordinal = 1`);
  await own.pool.query(`update memory.facts set text = 'Ada rows.' where ordinal = 0`);
  const input = { tenant: 'acme', embedder: lexicalEmbedder, limit: 5 };
  expect(await recall(own.pool, { ...input, query: 'plays chess' })).toEqual([]);
  expect(await recall(own.pool, { ...input, query: 'sings' })).toEqual([]);
});

describe('without vectors full text alone decides', () => {
  test('none stored', async () => {
    await using own = await createTestDatabase();
    await own.pool.query(READ_MODELS);
    await remember(own.pool, undefined, [{ memory: 'm', content: 'Ada prefers tea.' }]);
    const input = { tenant: 'acme', query: 'tea', limit: 5 };
    const expected = [
      expect.objectContaining({ memory: 'm', matched: 'content', fullTextRank: 1 }),
    ];
    expect(await recall(own.pool, { ...input, embedder: lexicalEmbedder })).toEqual(expected);
    expect(await recall(own.pool, { ...input, embedder: undefined })).toEqual(expected);
  });

  test('those of another space are not compared', async () => {
    const found = await recall(database.pool, {
      tenant: 'acme',
      query: 'prefers tea',
      embedder: { ...lexicalEmbedder, space: 'another-512-0123456789ab' },
      limit: 5,
    });
    expect(names(found)).toEqual(['tea']);
    expect(found[0]?.similarity).toBeUndefined();
  });
});

test('a query that cannot be embedded is an error, not half an answer', async () => {
  const failing = {
    ...lexicalEmbedder,
    remote: true as const,
    maxBatch: 1,
    embed: () => Promise.reject(new ProviderError('transient', 'HTTP 503')),
  };
  const input = { tenant: 'acme', query: 'tea', embedder: failing, limit: 5 };
  await expect(recall(database.pool, input)).rejects.toThrow('HTTP 503');
});

test.each([
  ['nothing', ''],
  ['blanks', '   '],
  ['NUL', 'tea\u0000coffee'],
  ['half a surrogate pair', 'tea \ud800'],
  ['operators alone', '& | ! <-> "" -'],
  ['quotes that do not close', '"tea'],
  ['SQL', `'; drop table memory.memories; --`],
  ['very long', 'tea '.repeat(10_000)],
])('odd queries are answered: %s', async (_, query) => {
  expect(Array.isArray(await ask(query))).toBe(true);
});
