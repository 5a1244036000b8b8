import { detect } from './detect.ts';
import { fold } from './fold.ts';
import { type Indexed, indexedWord, type Language, languageOf } from './languages.ts';
import { type Word, words } from './words.ts';

/**
 * Raise it whenever this code, or another version of a library it uses, would analyse a text
 * differently: the version of the projection `memories` is derived from it.
 */
export const ANALYSIS_VERSION = 2;

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

/** Analyses a text in the declared language, or else in the one it seems to be written in. */
export function analyse(text: string, declared?: string): Analysed {
  const found = words(fold(text));
  const language = declared === undefined ? detect(text, found) : languageOf(declared);
  const { lexemes, length } = lexemesIn(found, language);
  return { language, lexemes, length };
}

/** The words as they are indexed in a language. */
export function lexemesIn(found: readonly Word[], language: Language): Indexed {
  let lexemes = '';
  let length = 0;
  for (const word of found) {
    const indexed = indexedWord(word, language);
    lexemes += indexed.lexemes;
    length += indexed.length;
  }
  return { lexemes, length };
}
