import { ProviderError } from '@memfleet/models';
import { createEmbedder, recall, type RecallHit, type RecallQuery } from '@memfleet/recall';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, remember } from './read-models.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

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

async function ask(query: string, options: Partial<RecallQuery> = {}) {
  const { hits } = await recall(database.pool, {
    tenant: 'acme',
    embedder: lexicalEmbedder,
    ...options,
    query,
  });
  return hits;
}
const names = (found: readonly RecallHit[]): string[] => found.map(({ memory }) => memory);

test('what both rankings have comes first, with all that is known of it', async () => {
  const [best] = await ask('prefers tea');
  expect(best).toMatchObject({
    memory: 'tea',
    content: 'Ada prefers tea to coffee.',
    snippet: 'Ada prefers tea to coffee.',
    kind: 'note',
    importance: 0.5,
    text: { rank: 1 },
    vector: { rank: 1, matched: 'content' },
    facts: [],
    revisedAt: null,
    context: { before: [], after: [] },
  });
  expect(best?.when).toBeInstanceOf(Date);
  expect(best?.text?.ownScore).toBe(best?.text?.score);
  expect(best?.vector?.similarity).toBeGreaterThan(0.4);
});

test('one word of the query is enough, in whatever form it is asked', async () => {
  expect(names(await ask('moving to lisbon'))[0]).toBe('lisbon');
  const [best] = await ask('which hot drinks does Ada prefer, tea or something else?', {
    halves: 'text',
  });
  expect(best).toMatchObject({ memory: 'tea', text: { rank: 1 } });
});

test('each ranking can be asked alone', async () => {
  const [byWords] = await ask('prefers tea', { halves: 'text' });
  expect(byWords?.vector).toBeUndefined();
  const [byVectors] = await ask('prefers tea', { halves: 'vectors' });
  expect(byVectors?.text).toBeUndefined();
});

test('a fact is found through its own vector, and named', async () => {
  const [best] = await ask('peanut allergies');
  expect(best).toMatchObject({
    memory: 'long',
    vector: { matched: 'fact', fact: 'Ada has a peanut allergy.' },
    facts: ['The garden is large.', 'Ada has a peanut allergy.'],
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
});

test('a tenant of which nothing is known is told from one that has no answer', async () => {
  const input = { query: 'tea', embedder: lexicalEmbedder };
  const unknown = await recall(database.pool, { ...input, tenant: 'nobody' });
  expect(unknown).toMatchObject({ hits: [], notes: [{ code: 'UNKNOWN_TENANT' }] });
  const none = await recall(database.pool, { ...input, tenant: 'acme', query: 'zyzzyva qwrtp' });
  expect(none).toEqual({ hits: [], notes: [] });
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
  await own.pool.query(`delete from knowledge_1.facts where ordinal = 1`);
  await own.pool.query(`update knowledge_1.facts set text = 'Ada rows.' where ordinal = 0`);
  const input = { tenant: 'acme', embedder: lexicalEmbedder };
  expect(await recall(own.pool, { ...input, query: 'plays chess' })).toMatchObject({ hits: [] });
  expect(await recall(own.pool, { ...input, query: 'sings' })).toMatchObject({ hits: [] });
});

test('a memory is not found by what it said before it was revised', async () => {
  await using own = await createTestDatabase();
  await own.pool.query(READ_MODELS);
  const models = await remember(own.pool, lexicalEmbedder, [
    { memory: 'm', content: 'Ada plays chess.', facts: ['Ada likes chess.'] },
    { memory: 'n', content: 'Bob sings.' },
  ]);
  // No vector and no fact of the new content is there yet.
  await models.happen('acme', 'm', 'memory.revised', { content: 'Ada rows.' });
  const input = { tenant: 'acme', embedder: lexicalEmbedder, halves: 'vectors' as const };
  expect(await recall(own.pool, { ...input, query: 'plays chess' })).toMatchObject({ hits: [] });
  const { hits } = await recall(own.pool, { tenant: 'acme', query: 'rows' });
  expect(hits).toMatchObject([{ memory: 'm', content: 'Ada rows.', facts: [] }]);
});

test('only the newest vectors are compared, and the answer says so, whatever the scope leaves of them', async () => {
  await using own = await createTestDatabase();
  await own.pool.query(READ_MODELS);
  await remember(
    own.pool,
    lexicalEmbedder,
    Array.from({ length: 40 }, (_, index) => ({
      memory: `m-${index}`,
      content: `A kayak, number ${index}.`,
      kind: index < 10 ? ('fact' as const) : ('note' as const),
    })),
  );
  const input = {
    tenant: 'acme',
    query: 'kayak',
    embedder: lexicalEmbedder,
    halves: 'vectors' as const,
  };
  const ofFacts = { ...input, scope: { kinds: ['fact' as const] } };
  const few = await recall(own.pool, { ...ofFacts, bounds: { comparedVectors: 10 } });
  expect([few.hits.length, few.notes]).toEqual([10, []]);
  const cut = await recall(own.pool, { ...ofFacts, bounds: { comparedVectors: 9 } });
  expect(cut.hits).toEqual([]);
  expect(cut.notes).toMatchObject([{ code: 'VECTOR_BOUND_REACHED' }]);
});

describe('without vectors words alone decide', () => {
  test('none stored', async () => {
    await using own = await createTestDatabase();
    await own.pool.query(READ_MODELS);
    await remember(own.pool, undefined, [{ memory: 'm', content: 'Ada prefers tea.' }]);
    const input = { tenant: 'acme', query: 'tea' };
    for (const embedder of [lexicalEmbedder, undefined]) {
      const { hits } = await recall(own.pool, { ...input, embedder });
      expect(hits).toMatchObject([{ memory: 'm', text: { rank: 1 } }]);
      expect(hits[0]?.vector).toBeUndefined();
    }
  });

  test('those of another space are not compared', async () => {
    const found = await ask('prefers tea', {
      embedder: { ...lexicalEmbedder, space: 'another-512-0123456789ab' },
    });
    expect(names(found)).toEqual(['tea']);
    expect(found[0]?.vector).toBeUndefined();
  });
});

describe('an embedder that is away', () => {
  const failing = (embed: () => Promise<never>) => ({
    ...lexicalEmbedder,
    remote: true as const,
    maxBatch: 1,
    embed,
  });
  const away = failing(() => Promise.reject(new ProviderError('transient', 'HTTP 503')));

  test('words alone answer, and the result says so', async () => {
    const input = { tenant: 'acme', query: 'prefers tea', embedder: away };
    const { hits, notes } = await recall(database.pool, input);
    expect(names(hits)).toEqual(['tea']);
    expect(notes).toMatchObject([
      { code: 'EMBEDDER_AWAY', message: expect.stringContaining('HTTP 503') as string },
    ]);
  });

  test('when vectors alone were asked for it is an error', async () => {
    const input = { tenant: 'acme', query: 'tea', embedder: away, halves: 'vectors' as const };
    await expect(recall(database.pool, input)).rejects.toThrow('HTTP 503');
  });

  test('a defect is none of its moods', async () => {
    const broken = failing(() => Promise.reject(new TypeError('no such method')));
    const input = { tenant: 'acme', query: 'tea', embedder: broken };
    await expect(recall(database.pool, input)).rejects.toThrow(TypeError);
  });

  test('a caller who gives up is told the reason', async () => {
    const hanging = [
      () => Promise.reject(new Error('aborted')),
      () => Promise.reject(new ProviderError('transient', 'aborted')),
      // One that ignores its signal.
      () => Promise.withResolvers<never>().promise,
    ];
    for (const embed of hanging) {
      const signal = AbortSignal.abort(new Error('enough'));
      const input = { tenant: 'acme', query: 'tea', embedder: failing(embed), signal };
      await expect(recall(database.pool, input)).rejects.toThrow('enough');
    }
  });
});

test.each([
  ['nothing', ''],
  ['blanks', '   '],
  ['operators alone', '& | ! <-> "" -'],
  ['an exclusion alone', '-tea'],
  ['half a surrogate pair', '\ud800'],
])('a query without a word to look for is an error: %s', async (_, query) => {
  await expect(ask(query)).rejects.toMatchObject({ code: 'RECALL_QUERY_EMPTY' });
});

test.each([
  ['NUL', 'tea\u0000coffee'],
  ['half a surrogate pair beside a word', 'tea \ud800'],
  ['quotes that do not close', '"tea'],
  ['SQL', `'; drop table memory.memories; --`],
  ['words that say nothing', 'what is it?'],
  ['a JSON path', '$.tea[*]'],
  ['very long', 'tea '.repeat(10_000)],
  ['a long word of characters outside of the basic plane', `a${'𐐨'.repeat(40)}`],
  ['many words', Array.from({ length: 900 }, (_, index) => `w${index}`).join(' ')],
])('odd queries are answered: %s', async (_, query) => {
  expect(Array.isArray(await ask(query))).toBe(true);
});

test.each<[string, Partial<RecallQuery>]>([
  ['limit', { limit: 0 }],
  ['limit', { limit: -1 }],
  ['limit', { limit: 2.5 }],
  ['limit', { limit: Number.NaN }],
  ['limit', { limit: 1e9 }],
  ['scope.importance', { scope: { importance: Number.NaN } }],
  ['scope.importance', { scope: { importance: 1.5 } }],
  ['scope.since', { scope: { since: new Date(Number.NaN) } }],
  ['scope.until', { scope: { until: new Date('no date') } }],
  ['tenant', { tenant: 'a\u0000b' }],
  ['user', { scope: { user: 'a\u0000b' } }],
  ['session', { scope: { session: '\ud800' } }],
  ['bounds.textMatches', { bounds: { textMatches: 0 } }],
  ['bounds.comparedVectors', { bounds: { comparedVectors: 2 ** 31 } }],
  ['after', { after: -1 }],
  ['vectors alone', { halves: 'vectors', embedder: undefined }],
])('what no search can mean is refused, and named: %s', async (name, options) => {
  await expect(ask('tea', options)).rejects.toMatchObject({
    code: 'RECALL_QUERY_INVALID',
    message: expect.stringContaining(name) as string,
  });
});

test('more exclusions than can be looked for are an error: none is left out', async () => {
  const many = Array.from({ length: 33 }, (_, index) => `-w${index}`).join(' ');
  await expect(ask(`tea ${many}`)).rejects.toMatchObject({ code: 'RECALL_QUERY_INVALID' });
});
