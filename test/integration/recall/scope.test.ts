import { createEmbedder, recall, type RecallScope } from '@memfleet/recall';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, remember, type Remembered } from './read-models.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

let database: TestDatabase;

const BASE = {
  user: 'ada',
  agent: 'a-1',
  session: 's-1',
  speaker: 'Ada',
  kind: 'message',
  importance: 0.6,
  time: '2026-04-01T00:00:00Z',
} as const;

/** Each differs from the first in one thing, and all of them answer the same question. */
const MEMORIES = [
  { memory: 'base' },
  { memory: 'other-user', user: 'bob' },
  { memory: 'no-user', user: undefined },
  { memory: 'other-agent', agent: 'a-2' },
  { memory: 'other-session', session: 's-2' },
  { memory: 'other-kind', kind: 'fact' },
  { memory: 'earlier', time: '2026-03-31T23:59:59.999Z' },
  { memory: 'later', time: '2026-05-01T00:00:00Z' },
  { memory: 'trivial', importance: 0.1 },
].map((own, index): Remembered => {
  const content = `The kayak number ${index} is yellow.`;
  const facts = [`Kayak ${index} belongs to somebody.`];
  return Object.assign({ content, facts }, BASE, own);
});

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  await remember(database.pool, lexicalEmbedder, MEMORIES);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

const everything = MEMORIES.map(({ memory }) => memory);
const without = (...names: string[]): string[] =>
  everything.filter((name) => !names.includes(name));

const cases: [string, RecallScope, string[]][] = [
  ['no scope', {}, everything],
  ['a user', { user: 'ada' }, without('other-user', 'no-user')],
  ['an agent', { agent: 'a-1' }, without('other-agent')],
  ['a session', { session: 's-1' }, without('other-session')],
  ['a kind', { kinds: ['message'] }, without('other-kind')],
  ['several kinds', { kinds: ['message', 'fact'] }, everything],
  ['no kind in particular', { kinds: [] }, everything],
  ['since', { since: new Date('2026-04-01T00:00:00Z') }, without('earlier')],
  ['until', { until: new Date('2026-05-01T00:00:00Z') }, without('later')],
  ['importance', { importance: 0.6 }, without('trivial')],
  [
    'all of it',
    {
      user: 'ada',
      agent: 'a-1',
      session: 's-1',
      kinds: ['message'],
      since: new Date('2026-04-01T00:00:00Z'),
      until: new Date('2026-05-01T00:00:00Z'),
      importance: 0.6,
    },
    ['base'],
  ],
  ['a user who does not exist', { user: 'nobody' }, []],
];

describe.each(['text', 'vectors', 'both'] as const)('%s', (halves) => {
  test.each(cases)('%s', async (_, scope, expected) => {
    const { hits } = await recall(database.pool, {
      tenant: 'acme',
      query: 'yellow kayak',
      embedder: lexicalEmbedder,
      limit: 20,
      scope,
      halves,
    });
    expect(hits.map(({ memory }) => memory).toSorted()).toEqual(expected.toSorted());
    // Nothing outside is shown beside what is inside either.
    const shown = hits.flatMap(({ context }) => context.before.concat(context.after));
    expect(shown.filter(({ memory }) => !expected.includes(memory))).toEqual([]);
  });
});

test('the scope is applied before anything is ranked or cut off', async () => {
  await using own = await createTestDatabase();
  await own.pool.query(READ_MODELS);
  // Each of a thousand of Bob answers better than the only one of Ada.
  await remember(own.pool, lexicalEmbedder, [
    ...Array.from({ length: 1_000 }, (_, index): Remembered => ({
      memory: `b-${index}`,
      content: 'Yellow kayak.',
      user: 'bob',
    })),
    {
      memory: 'a-1',
      content: 'On the lake there was a kayak, long ago, with friends of ours.',
      user: 'ada',
    },
  ]);
  for (const halves of ['text', 'vectors', 'both'] as const) {
    const { hits } = await recall(own.pool, {
      tenant: 'acme',
      query: 'yellow kayak',
      embedder: lexicalEmbedder,
      scope: { user: 'ada' },
      limit: 3,
      halves,
    });
    expect(hits.map(({ memory }) => memory)).toEqual(['a-1']);
  }
});
