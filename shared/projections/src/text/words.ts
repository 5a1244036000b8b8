import { isAscii } from './fold.ts';

/** A word of a text, or a run in a script that does not separate words. */
export type Word = string | Run;

export interface Run {
  readonly text: string;
  readonly script: UnpartedScript;
}

export type UnpartedScript = 'han' | 'kana' | 'hangul' | 'brahmic';

const HAN = String.raw`\p{Script=Han}`;
const HIRAGANA = String.raw`\p{Script=Hiragana}`;
/** Includes the long vowel mark, which belongs to no script. */
const KATAKANA = String.raw`\p{Script=Katakana}\u30fc`;
const HANGUL = String.raw`\p{Script=Hangul}`;
const BRAHMIC = String.raw`\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const LETTER = String.raw`[[\p{L}\p{N}\p{M}]--[${HAN}${HIRAGANA}${KATAKANA}${HANGUL}${BRAHMIC}]]`;

/**
 * Matches words, also with apostrophes inside; runs of one script without word separators; pictographs.
 * A change of script ends a run: in Japanese, words end there most often.
 */
const WORD = new RegExp(
  [
    `(?<word>${LETTER}+(?:['’]${LETTER}+)*)`,
    `(?<han>[${HAN}]+)`,
    `(?<kana>[${HIRAGANA}]+|[${KATAKANA}]+)`,
    `(?<hangul>[${HANGUL}]+)`,
    `(?<brahmic>[[${BRAHMIC}]&&[\\p{L}\\p{M}\\p{N}]]+)`,
    String.raw`(?<picture>\p{Extended_Pictographic})`,
  ].join('|'),
  'gv',
);
const ASCII_WORD = /[a-z0-9]+(?:'[a-z0-9]+)*/g;

const SCRIPTS = ['han', 'kana', 'hangul', 'brahmic'] as const satisfies readonly UnpartedScript[];

/** The words of a folded text, in order. */
export function words(folded: string): Word[] {
  if (isAscii(folded)) return folded.match(ASCII_WORD) ?? [];
  return [...folded.matchAll(WORD)].map(({ 0: text, groups = {} }) => {
    const script = SCRIPTS.find((each) => groups[each] !== undefined);
    return script === undefined ? text : { text, script };
  });
}

/** Sizes of the grams, so that the shortest words of a script are one: 茶, ชา. Kana has none of one syllable. */
const GRAMS: Readonly<Record<UnpartedScript, readonly number[]>> = {
  han: [1, 2],
  kana: [2],
  hangul: [2],
  // Its characters are parts of syllables.
  brahmic: [2, 3],
};

/**
 * The grams that index a run without separate words. A part of a text has the grams of its run in the same
 * order, so that phrases are found. In Korean, which has spaces, a part begins where a run begins: particles
 * follow a word, so the first syllable of 책을 is a gram as well, and one inside of 무지개 is none.
 */
export function gramsOf({ text, script }: Run): string[] {
  const characters = Array.from(text);
  const grams = script === 'hangul' && characters.length > 1 ? characters.slice(0, 1) : [];
  for (const at of characters.keys()) {
    for (const size of GRAMS[script]) {
      if (at + size <= characters.length) grams.push(characters.slice(at, at + size).join(''));
    }
  }
  if (grams.length > 0) return grams;
  // One syllable of hiragana alone is a particle: は, が, を.
  return script === 'kana' && HIRAGANA_ONLY.test(text) ? [] : [text];
}

const HIRAGANA_ONLY = /^\p{Script=Hiragana}+$/u;

/** The original text of a word or a run. */
export function textOf(word: Word): string {
  return typeof word === 'string' ? word : word.text;
}
