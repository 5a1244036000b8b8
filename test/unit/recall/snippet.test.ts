import { describe, expect, test } from 'vitest';
import { analyse } from '../../../shared/projections/src/text/analyse.ts';
import { parseQuery } from '../../../shared/recall/src/parse.ts';
import { snippetOf } from '../../../shared/recall/src/snippet.ts';

function snippet(content: string, query: string): string {
  return snippetOf(content, analyse(content).language, parseQuery(query).words);
}

test('a short content is shown whole, as one line', () => {
  expect(snippet('Ada\n  prefers tea.', 'coffee')).toBe('Ada prefers tea.');
});

test('of a long one, the sentence with most of the words, and what follows', () => {
  const filler = 'Nothing of the kind was said there. '.repeat(10);
  const shown = snippet(`${filler}Ada bought a yellow kayak. It leaks.`, 'yellow kayak');
  expect(shown).toBe('… Ada bought a yellow kayak. It leaks.');
});

describe('what has no end of a sentence in it is divided', () => {
  test.each([
    ['a long list', `${'word '.repeat(100)}kayak and more ${'word '.repeat(100)}`, 'kayak'],
    ['Thai', `${'เมื่อวานผมไปตลาด'.repeat(20)}ดื่มกาแฟ${'เมื่อวานผมไปตลาด'.repeat(20)}`, 'กาแฟ'],
    ['Arabic', `${'هل ذهبت إلى السوق؟ '.repeat(20)}اشترى أحمد سيارة جديدة.`, 'سيارة'],
    ['Hindi', `${'यह कुछ और है। '.repeat(20)}उसने एक नाव खरीदी।`, 'नाव'],
  ])('%s', (_, content, word) => {
    const shown = snippet(content, word);
    expect(shown).toContain(word);
    expect(shown.length).toBeLessThanOrEqual(204);
  });
});

test('no character is cut in two', () => {
  const shown = snippet(`a${'😀'.repeat(500)}`, 'kayak');
  expect(shown.isWellFormed()).toBe(true);
});
