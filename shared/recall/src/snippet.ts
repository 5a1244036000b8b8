import { fold, type Language, lexemesOf, words } from '@memfleet/projections';
import type { ByLanguage } from './parse.ts';

const LONGEST = 200;
/** A sentence and the blanks after it; or a line. */
const SENTENCE = /[^.!?。！？\n]+[.!?。！？]*\s*/gu;

/**
 * The part of a content with most of the words in the query, as one line. A short content is returned
 * whole; a longer one gives its best sentence, and the text that follows as far as there is room.
 */
export function snippetOf(
  content: string,
  language: Language,
  asked: readonly ByLanguage[],
): string {
  const line = content.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= LONGEST) return line;
  const wanted = new Set(asked.map((word) => word[language]?.trim()));
  const sentences = content.match(SENTENCE) ?? [content];
  let best = 0;
  let most = 0;
  for (const [place, sentence] of sentences.entries()) {
    const found = new Set(
      words(fold(sentence.slice(0, 10 * LONGEST)))
        .flatMap((word) => lexemesOf(word, language))
        .filter((lexeme) => wanted.has(lexeme)),
    );
    if (found.size > most) {
      best = place;
      most = found.size;
    }
  }
  const from = sentences.slice(best).join('').replaceAll(/\s+/g, ' ').trim();
  return `${best === 0 ? '' : '… '}${cut(from)}`;
}

/** Cuts at the last blank that leaves the line short enough. */
function cut(line: string): string {
  if (line.length <= LONGEST) return line;
  const part = line.slice(0, LONGEST);
  const blank = part.lastIndexOf(' ');
  return `${(blank > LONGEST / 2 ? part.slice(0, blank) : part).toWellFormed().replace(/\ufffd$/, '')} …`;
}
