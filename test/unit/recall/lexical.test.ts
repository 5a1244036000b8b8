import { createEmbedder } from '@memfleet/recall';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

const lexicalEmbedder = createEmbedder({ kind: 'local' });

function vectorsOf(...texts: string[]): readonly Float32Array[] {
  return lexicalEmbedder.embed(texts);
}

function cosine(a: Float32Array | undefined, b: Float32Array | undefined): number {
  if (a === undefined || b === undefined) throw new Error('a vector is missing');
  return a.reduce((sum, value, at) => sum + value * (b[at] ?? Number.NaN), 0);
}

describe('related texts are nearer than unrelated ones', () => {
  test.each([
    ['Ada prefers tea to coffee.', 'which drink does Ada prefer?', 'The deployment failed.'],
    ['I moved to Lisbon in March.', 'When did I move to Lisbon?', 'My sister plays the violin.'],
    ['The cat sleeps on the sofa.', 'cats sleeping on sofas', 'Revenue rose by ten percent.'],
    ['She is allergic to peanuts.', 'peanut allergy', 'He repaired the bicycle yesterday.'],
    ['Staging runs PostgreSQL 18.', 'postgres on staging', 'Grandmother bakes bread.'],
    ['Meeting with the auditors on Thursday.', 'auditor meeting', 'I like to hike in mountains.'],
    ['Passwords need twelve characters.', 'password length', 'Dinner was pasta with tomatoes.'],
    ['Bob is an electrician in Hamburg.', 'electricians from Hamburg', 'The film was too long.'],
    ['Das Treffen ist in Köln.', 'Wann ist das Treffen in Koeln oder Köln?', 'Der Hund bellt.'],
    ['J’habite à Paris depuis deux ans.', 'habite a Paris', 'Le chien mange du pain.'],
    ['我喜欢喝绿茶。', '绿茶', '明天开会讨论预算。'],
    ['Я живу в Москве.', 'живет в Москве', 'Погода сегодня хорошая.'],
    ['Invoices go by e-mail every month.', 'monthly invoice emails', 'The garden needs water.'],
    ['Reciept for the reservaton', 'reservation receipt', 'Kernel panic on boot.'],
    ['cities and parties', 'a city with a party', 'an engine with a belt'],
  ])('%s', (text, related, unrelated) => {
    const [a, b, c] = vectorsOf(text, related, unrelated);
    expect(cosine(a, b)).toBeGreaterThan(0.2);
    expect(cosine(a, c)).toBeLessThan(cosine(a, b) / 2);
  });
});

test('a text has the same vector in every process and in every batch', () => {
  const [alone] = vectorsOf('Ada prefers tea to coffee.');
  const [, together] = vectorsOf('Something else.', 'Ada prefers tea to coffee.');
  expect(together).toEqual(alone);
  // Frozen: a change of these is a new version, and a new space.
  const strongest = [...(alone ?? [])]
    .map((value, at) => [at, Number(value.toFixed(4))] as const)
    .toSorted(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    .slice(0, 4);
  expect(lexicalEmbedder.space).toBe('lexical-512-6fc27566d100');
  expect(strongest).toEqual([
    [13, 0.3928],
    [14, 0.3928],
    [177, -0.3928],
    [343, 0.3928],
  ]);
});

test('words that differ in case, accents or form are alike', () => {
  const [a, b] = vectorsOf('CAFÉ ﬁancé', 'cafe fiance');
  expect(cosine(a, b)).toBeCloseTo(1, 5);
});

test('repeating a word counts less and less', () => {
  const [query, once, often] = vectorsOf(
    'tea',
    'tea in a blue kettle',
    `${'tea '.repeat(50)} in a blue kettle`,
  );
  expect(cosine(query, often)).toBeGreaterThan(cosine(query, once));
  const [kettle] = vectorsOf('blue kettle');
  expect(cosine(kettle, often)).toBeGreaterThan(0.15);
});

describe('any text has a vector of length 1', () => {
  const norm = (vector: Float32Array | undefined): number => Math.sqrt(cosine(vector, vector));

  test.each([
    ['nothing', ''],
    ['blanks', ' \n\t\u3000'],
    ['punctuation', '?!... —'],
    ['pictographs', '👩‍👩‍👧 🍵'],
    ['half a surrogate pair', 'a\ud800b \udc00'],
    ['NUL', '\u0000\u0000'],
    ['only stop words', 'it is what it was'],
    ['marks without a letter', '\u0301\u0308\u0e31'],
    ['a right-to-left override', '\u202etxet'],
    ['names of prototype fields', '__proto__ constructor toString hasOwnProperty'],
    ['one long word', 'a'.repeat(60_000)],
    ['many different words', Array.from({ length: 8_000 }, (_, n) => `w${n}`).join(' ')],
    ['apostrophes', "'’".repeat(5_000)],
  ])('%s', (_, text) => {
    const [vector] = vectorsOf(text);
    expect(vector).toHaveLength(512);
    expect(norm(vector)).toBeCloseTo(1, 4);
  });

  test('accepts any text', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 100 }), (text) => {
        const [vector] = vectorsOf(text);
        expect(norm(vector)).toBeCloseTo(1, 4);
      }),
      { numRuns: 100 },
    );
  });
});
