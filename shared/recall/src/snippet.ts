import { fold, indexedWord, type Language, words } from '@memfleet/projections';
import type { ByLanguage } from './parse.ts';

const LONGEST = 200;
/** A longer part of a text is divided: an answer is shown with what stands right before it. */
const PART = LONGEST / 2;
/** A sentence and the blanks after it; or a line. */
const SENTENCE = /[^.!?。！？؟۔।\n]+[.!?。！？؟۔।]*\s*/gu;

/**
 * The part of a content with most of the words in the query, as one line. A short content is returned
 * whole; a longer one gives its best part, and the text that follows as far as there is room.
 */
export function snippetOf(
  content: string,
  language: Language,
  asked: readonly ByLanguage[],
): string {
  const line = content.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= LONGEST) return line;
  const wanted = asked.flatMap((word) => word[language] ?? []);
  const parts = (content.match(SENTENCE) ?? [content]).flatMap(partsOf);
  let best = 0;
  let most = 0;
  for (const [place, part] of parts.entries()) {
    const count = countOf(part, language, wanted);
    if (count > most) {
      best = place;
      most = count;
    }
  }
  const from = parts.slice(best).join('').replaceAll(/\s+/g, ' ').trim();
  return `${best === 0 ? '' : '… '}${cut(from, LONGEST)}`;
}

/** How many of the wanted words are in a part. */
function countOf(part: string, language: Language, wanted: readonly string[]): number {
  const found = new Set<string>();
  for (const word of words(fold(part))) {
    const { lexemes } = indexedWord(word, language);
    for (const lexeme of wanted) if (lexemes.includes(lexeme)) found.add(lexeme);
  }
  return found.size;
}

function partsOf(sentence: string): string[] {
  const parts: string[] = [];
  let rest = sentence;
  while (rest.length > LONGEST) {
    const part = startOf(rest, PART);
    parts.push(part);
    rest = rest.slice(part.length);
  }
  return [...parts, rest];
}

function cut(line: string, most: number): string {
  return line.length <= most ? line : `${startOf(line, most).trimEnd()} …`;
}

/** The start of a text, up to the last blank that leaves it short enough, and never half a character. */
function startOf(text: string, most: number): string {
  const part = text.slice(0, most);
  const blank = part.lastIndexOf(' ');
  if (blank > most / 2) return part.slice(0, blank + 1);
  return part.replace(/[\ud800-\udbff]$/, '');
}
