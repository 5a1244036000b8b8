import { createEmbedder, recall } from '@memfleet/recall';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { READ_MODELS, remember, type Remembered } from './read-models.ts';
import { SENTENCES } from './sentences.ts';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

let database: TestDatabase;

const MEMORIES = SENTENCES.flatMap(({ language, answers, who, what, between }): Remembered[] => [
  ...answers.map(([content], index) => ({ memory: `${language}-${index}`, content })),
  ...who.flatMap((person, one) =>
    what.map((does, two) => ({
      memory: `${language}-other-${one}-${two}`,
      content: `${person}${between}${does}`,
    })),
  ),
]);

beforeAll(async () => {
  database = await createTestDatabase();
  await database.pool.query(READ_MODELS);
  await remember(database.pool, lexicalEmbedder, MEMORIES);
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

/** The words of a text; where it does not part them, every two characters. */
function wordsOf(text: string, between: string): Set<string> {
  if (between !== '') return new Set(text.toLowerCase().match(/[\p{L}\p{M}\p{N}]+/gu));
  const letters = Array.from(text.replaceAll(/[^\p{L}\p{M}\p{N}]/gu, ''));
  return new Set(letters.slice(1).map((letter, at) => `${letters[at]}${letter}`));
}

test('there are a thousand sentences, and a question shares at most half of its words with its answer', () => {
  expect(MEMORIES.length).toBeGreaterThanOrEqual(1_000);
  for (const { answers, between } of SENTENCES) {
    for (const [said, asked] of answers) {
      const words = wordsOf(asked, between);
      const shared = [...words].filter((word) => wordsOf(said, between).has(word));
      expect({ asked, isTooClose: shared.length > words.size / 2 }).toEqual({
        asked,
        isTooClose: false,
      });
    }
  }
});

describe.each(SENTENCES.map((sentences) => [sentences.language, sentences] as const))(
  '%s',
  (language, { answers }) => {
    test.each(['text', 'both'] as const)(
      'every question finds its answer by %s',
      async (halves) => {
        const missed: string[] = [];
        for (const [index, [, query]] of answers.entries()) {
          const { hits } = await recall(database.pool, {
            tenant: 'acme',
            query,
            embedder: lexicalEmbedder,
            limit: 5,
            halves,
          });
          const found = hits.map(({ memory }) => memory);
          if (!found.includes(`${language}-${index}`)) missed.push(`${query} → ${found.join(' ')}`);
        }
        expect(missed).toEqual([]);
      },
    );
  },
);
