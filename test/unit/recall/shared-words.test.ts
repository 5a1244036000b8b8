import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { contentWords, isSameWord, sharedWords } from '../../fixtures/recall/shared-words.ts';

const FOLDER = join(import.meta.dirname, '../../fixtures/recall');

describe('the corpus for recall', () => {
  test('has 300 memories and 150 questions, in ten languages', () => {
    const events = readFileSync(join(FOLDER, 'events.jsonl'), 'utf8');
    expect(events.match(/"type": "memory\.created"/g)).toHaveLength(300);
    const counts = Map.groupBy(sharedWords(FOLDER), ({ category }) => category);
    const sizes = [...counts].map(([category, { length }]) => [category, length]);
    expect(Object.fromEntries(sizes)).toEqual({
      paraphrase: 20,
      negation: 14,
      'rare-word': 12,
      session: 26,
      'near-duplicate': 15,
      scope: 18,
      german: 5,
      russian: 5,
      arabic: 5,
      japanese: 5,
      chinese: 5,
      thai: 5,
      korean: 5,
      spanish: 5,
      french: 5,
    });
  });

  test('no question shares more than half of its content words with its answer', () => {
    const all = sharedWords(FOLDER);
    const mean = all.reduce((sum, { share }) => sum + share, 0) / all.length;
    process.stderr.write(
      `questions share ${mean.toFixed(2)} of their words with the answer on average\n`,
    );
    const tooClose = all.filter(({ share }) => share > 0.5);
    expect(tooClose.map(({ question, shared }) => `${question}: ${shared.join(' ')}`)).toEqual([]);
  });
});

describe('the measure', () => {
  test.each([
    ['What did the dogs eat?', ['dogs', 'eat']],
    ['Où est la clé ?', ['cle']],
    ['Die Straße', ['strasse']],
    ['ＷｉＦｉの暗号', ['wifi', '暗号']],
    ['أين المفتاح؟', ['مفتاح']],
    ['กาแฟของฉัน', ['กาแฟ']],
  ])('reads the content words of %s', (text, words) => {
    expect(contentWords(text)).toEqual(words);
  });

  test.each([
    ['lens', 'lenses', true],
    ['dog', 'dogs', true],
    ['Бабушка', 'Бабушке', true],
    ['기차표를', '기차는', true],
    ['house', 'horse', false],
    ['cat', 'catalogue', false],
    ['咖啡', '咖啡馆', false],
  ])('%s and %s: the same word is %s', (a, b, expected) => {
    expect(isSameWord(a, b)).toBe(expected);
    expect(isSameWord(b, a)).toBe(expected);
  });
});
