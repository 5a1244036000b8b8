import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isEmpty, parseQuery } from '../../../shared/recall/src/parse.ts';

const inEnglish = (query: string) => {
  const { words, phrases, exclusions, text } = parseQuery(query);
  const english = (units: readonly { readonly en?: string }[]) =>
    units.flatMap(({ en }) => en ?? []).map((lexemes) => lexemes.trim());
  return {
    text,
    words: english(words),
    phrases: english(phrases),
    exclusions: english(exclusions),
  };
};

test.each([
  ['where does Ada live?', { words: ['ada', 'live'], phrases: [], exclusions: [] }],
  ['tea Tea TEAS', { words: ['tea'] }],
  ['"green tea" cup', { words: ['green', 'tea', 'cup'], phrases: ['green  tea'] }],
  ['"tea with milk"', { phrases: ['tea . milk'] }],
  ['tea -coffee', { text: 'tea', words: ['tea'], exclusions: ['coffe'] }],
  ['tea -"black coffee"', { text: 'tea', words: ['tea'], exclusions: ['black  coffe'] }],
  ['well-known - or not', { words: ['well', 'known'], exclusions: [] }],
  ['it was -5 outside', { words: ['5', 'outsid'], exclusions: [] }],
  ['tea -the', { words: ['tea'], exclusions: [] }],
  ['a "quote that does not end', { words: ['quot', 'end'], phrases: [] }],
  ['"" tea', { words: ['tea'], phrases: [] }],
  ['“green tea” cup', { phrases: ['green  tea'] }],
  ['„green tea“ -«black tea»', { phrases: ['green  tea'], exclusions: ['black  tea'] }],
  ['＂green tea＂', { phrases: ['green  tea'] }],
  ['see“green tea”now', { phrases: ['green  tea'] }],
])('%s', (query, expected) => {
  expect(inEnglish(query)).toMatchObject(expected);
});

test.each(['', '  ', '-tea', '""', '?!', '-"a b"'])('nothing to look for: %s', (query) => {
  expect(isEmpty(parseQuery(query))).toBe(true);
});

test('a query word is stemmed for every language, and a stop word of one language is a word of others', () => {
  const [die] = parseQuery('die').words;
  expect(die?.en).toBe(' die ');
  expect(die?.de).toBeUndefined();
});

test('total, and never more than it can ask', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (query) => {
      expect(parseQuery(query).words.length).toBeLessThanOrEqual(192);
    }),
  );
});

test('a question in a script without spaces is asked to its end', () => {
  const thai = 'ร้านอาหารที่ฉันชอบไปกินกับเพื่อนร่วมงานในวันศุกร์ชื่ออะไร';
  const asked = parseQuery(thai).words.map((word) => Object.values(word)[0]?.trim());
  expect(asked).toContain('อะไ');
  expect(parseQuery(`${'word '.repeat(3)}${'한국어'.repeat(20)}끝말`).words.length).toBeGreaterThan(
    3,
  );
});

test.each([
  ['我喜欢“绿茶”', '绿茶'],
  ['彼は「緑茶」が好き', '緑茶'],
])('quotation marks in the middle of a run: %s', (query, phrase) => {
  const [found] = parseQuery(query).phrases;
  expect(found).toEqual(parseQuery(`"${phrase}"`).phrases[0]);
});
