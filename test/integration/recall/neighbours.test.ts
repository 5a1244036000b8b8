import { createEmbedder, recall, type RecallQuery } from '@memfleet/recall';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, type ReadModels, remember, type Remembered } from './read-models.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

let database: TestDatabase;
let models: ReadModels;

const turn = (memory: string, content: string, more: Partial<Remembered> = {}): Remembered => ({
  memory,
  content,
  session: 's-1',
  kind: 'message',
  speaker: 'Ada',
  ...more,
});

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  models = await remember(database.pool, lexicalEmbedder, [
    turn('t-1', 'Good morning!'),
    turn('t-2', 'Where did you go for your holidays?', { speaker: 'Bob' }),
    turn('t-3', 'To the seaside near Faro.'),
    turn('t-4', 'That sounds wonderful.', { speaker: 'Bob' }),
    turn('t-5', 'It was, all of June.'),
    turn('u-1', 'Unrelated words about a bicycle.', { session: 's-2' }),
    // One session of two users.
    turn('v-1', 'My zebra is called Otto.', { session: 's-3', user: 'ada' }),
    turn('v-2', 'Nobody else may read this.', { session: 's-3', user: 'bob' }),
    turn('v-3', 'Otto is four years old.', { session: 's-3', user: 'ada' }),
    // Of a session in which somebody changed their mind.
    turn('w-1', 'The giraffe is in Berlin.', { session: 's-4' }),
    turn('w-2', 'No, that is wrong.', { session: 's-4', superseded: true }),
    turn('w-3', 'Say nothing of that.', { session: 's-4', forgotten: true }),
    turn('w-4', 'Since Tuesday.', { session: 's-4' }),
    // Without a kind, what somebody is named for is a turn; what was distilled from turns is none.
    turn('z-1', 'Where is the flamingo?', { session: 's-8', kind: 'note' }),
    turn('z-2', 'In the garden.', { session: 's-8', kind: 'note' }),
    turn('y-1', 'The pelican likes fish.', { session: 's-7', kind: 'fact' }),
    turn('y-2', 'Somebody has a boat.', { session: 's-7', kind: 'fact' }),
    turn('p-1', 'Which tea do you like?', { session: 's-9', speaker: 'Bob' }),
    turn('p-2', 'I love green tea.', { session: 's-9' }),
    turn('p-3', 'With jasmine.', { session: 's-9' }),
    turn('p-4', 'More green tea, please.', { session: 's-9' }),
    // Notes stand by themselves.
    { memory: 'n-1', content: 'Buy walnuts.', session: 's-5' },
    { memory: 'n-2', content: 'Call the plumber.', session: 's-5' },
  ]);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

async function ask(query: string, options: Partial<RecallQuery> = {}) {
  const { hits } = await recall(database.pool, {
    tenant: 'acme',
    limit: 20,
    halves: 'text',
    ...options,
    query,
  });
  return hits;
}

test('the answer to a question is found by the words of the question', async () => {
  const hits = await ask('Where were the holidays?');
  expect(hits.map(({ memory }) => memory)).toEqual(['t-2', 't-1', 't-3', 't-4']);
  const [own, ...lent] = hits;
  expect(own?.text?.ownScore).toBeGreaterThan(0);
  for (const { text } of lent) expect(text?.ownScore).toBe(0);
  // Half of it at distance 1, a quarter at distance 2.
  const score = own?.text?.score ?? 0;
  expect(lent.map(({ text }) => (text?.score ?? 0) / score)).toEqual([
    expect.closeTo(0.5, 5),
    expect.closeTo(0.5, 5),
    expect.closeTo(0.25, 5),
  ]);
});

test('turns lend whether or not they are said to be messages; facts and notes stand alone', async () => {
  const found = async (query: string): Promise<string[]> =>
    (await ask(query)).map(({ memory }) => memory);
  expect(await found('flamingo')).toEqual(['z-1', 'z-2']);
  expect(await found('pelican')).toEqual(['y-1']);
  expect(await found('walnuts')).toEqual(['n-1']);
});

test('what the one who is asked about has said counts for more', async () => {
  const hits = await ask('Where did Ada go for the holidays?');
  const scores = new Map(hits.map(({ memory, text }) => [memory, text?.score ?? 0]));
  expect((scores.get('t-3') ?? 0) / (scores.get('t-2') ?? 1)).toBeCloseTo(0.5 * 1.4, 5);
});

test('they are context, in the order in which they were said', async () => {
  const [best] = await ask('seaside');
  expect(best?.memory).toBe('t-3');
  expect(best?.context.before.map(({ memory }) => memory)).toEqual(['t-1', 't-2']);
  expect(best?.context.after.map(({ memory }) => memory)).toEqual(['t-4', 't-5']);
  expect(best?.context.before[1]).toMatchObject({
    content: 'Where did you go for your holidays?',
    speaker: { role: 'user', name: 'Bob' },
  });
});

test('a hit that its neighbours brought has its own context', async () => {
  const hits = await ask('Where were the holidays?');
  const lent = hits.find(({ memory }) => memory === 't-3');
  expect(lent?.text?.ownScore).toBe(0);
  expect(lent?.context.before.map(({ memory }) => memory)).toEqual(['t-1', 't-2']);
  expect(lent?.context.after.map(({ memory }) => memory)).toEqual(['t-4', 't-5']);
});

test('a turn without the phrase is no hit, but keeps its place beside one', async () => {
  const hits = await ask('"green tea"');
  expect(hits.map(({ memory }) => memory).toSorted()).toEqual(['p-2', 'p-4']);
  const [second, fourth] = ['p-2', 'p-4'].map((name) => hits.find(({ memory }) => memory === name));
  expect(second?.context.before.map(({ memory }) => memory)).toEqual(['p-1']);
  expect(second?.context.after.map(({ memory }) => memory)).toEqual(['p-3', 'p-4']);
  // They lend across the turn between them: a quarter.
  const [own, other] = [second?.text?.ownScore ?? 0, fourth?.text?.ownScore ?? 0];
  expect(second?.text?.score).toBeCloseTo(own + other / 4, 5);
});

test('another session is none of them', async () => {
  const [best] = await ask('bicycle');
  expect(best).toMatchObject({ memory: 'u-1', context: { before: [], after: [] } });
});

test('nobody outside of the scope lends, borrows or is shown', async () => {
  const hits = await ask('zebra', { scope: { user: 'ada' } });
  expect(hits.map(({ memory }) => memory)).toEqual(['v-1', 'v-3']);
  // What stands behind is the next one.
  expect(hits[0]?.context.after.map(({ memory }) => memory)).toEqual(['v-3']);
  expect(JSON.stringify(hits)).not.toMatch(/Nobody else/);
});

test('what is superseded or forgotten is skipped', async () => {
  const [best] = await ask('giraffe');
  expect(best?.context.after.map(({ memory }) => memory)).toEqual(['w-4']);
});

test('an excluded word excludes a turn as an answer and as context', async () => {
  const hits = await ask('seaside -holidays');
  expect(JSON.stringify(hits)).not.toMatch(/holidays/);
});

test('a setting: none, messages, or all of a session', async () => {
  expect((await ask('holidays', { neighbours: 'off' })).map(({ memory }) => memory)).toEqual([
    't-2',
  ]);
  const [alone] = await ask('holidays', { neighbours: 'off' });
  expect(alone?.context).toEqual({ before: [], after: [] });
  expect((await ask('walnuts')).map(({ memory }) => memory)).toEqual(['n-1']);
  expect((await ask('walnuts', { neighbours: 'all' })).map(({ memory }) => memory)).toEqual([
    'n-1',
    'n-2',
  ]);
});

test('vectors lend as well', async () => {
  const hits = await ask('the seaside near Faro', { halves: 'vectors', embedder: lexicalEmbedder });
  expect(hits[0]).toMatchObject({ memory: 't-3', vector: { rank: 1 } });
  const beside = hits.find(({ memory }) => memory === 't-4');
  expect(beside?.vector).toBeDefined();
});

test('turns of one moment stand in the order of the log, and a late one where it belongs', async () => {
  const time = '2026-06-01T12:00:00Z';
  await models.remember([
    turn('x-1', 'One okapi.', { session: 's-6', time }),
    turn('x-3', 'Three.', { session: 's-6', time }),
    turn('x-4', 'Four.', { session: 's-6', time: '2026-06-01T12:00:01Z' }),
    turn('x-0', 'Zero.', { session: 's-6', time: '2026-06-01T11:59:59Z' }),
  ]);
  const [best] = await ask('okapi');
  expect(best?.context.before.map(({ memory }) => memory)).toEqual(['x-0']);
  expect(best?.context.after.map(({ memory }) => memory)).toEqual(['x-3', 'x-4']);
});
