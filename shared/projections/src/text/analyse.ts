import { detect } from './detect.ts';
import { fold } from './fold.ts';
import { type Language, languageOf, lexemesOf } from './languages.ts';
import { type Word, words } from './words.ts';

/**
 * Raised whenever a text would be analysed otherwise, by this code or by another version of the
 * libraries that it uses: the version of the projection `memories` is made of it.
 */
export const ANALYSIS_VERSION = 1;

/** A text as it is indexed. */
export interface Analysed {
  readonly language: Language;
  /**
   * The lexemes in the order of the text, each between two blanks of its own, and a dot for every word
   * that is left out: ` ada  prefer  tea . coffe `. So a phrase is a part of it, and so is a lexeme.
   */
  readonly lexemes: string;
  /** How many lexemes there are, repetitions included. */
  readonly length: number;
}

/** In the language that was declared, or else in the one that it seems to be written in. */
export function analyse(text: string, declared?: string): Analysed {
  const found = words(fold(text));
  const language = declared === undefined ? detect(text, found) : languageOf(declared);
  return { language, ...lexemesIn(found, language) };
}

/** The words as they are indexed in a language. */
export function lexemesIn(
  found: readonly Word[],
  language: Language,
): Pick<Analysed, 'lexemes' | 'length'> {
  let lexemes = '';
  let length = 0;
  for (const word of found) {
    const ofWord = lexemesOf(word, language);
    if (ofWord.length === 0) lexemes += '.';
    for (const lexeme of ofWord) {
      lexemes += ` ${lexeme} `;
      length += 1;
    }
  }
  return { lexemes, length };
}
