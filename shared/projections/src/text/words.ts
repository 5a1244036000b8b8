import { isAscii } from './fold.ts';

/** A word of a text, or a run of writing that does not part its words. */
export interface Word {
  readonly text: string;
  /** The script of a run that does not part words; undefined for a word. */
  readonly run?: UnpartedScript;
}

export type UnpartedScript = 'han' | 'kana' | 'hangul' | 'brahmic';

const HAN = String.raw`\p{Script=Han}`;
const HIRAGANA = String.raw`\p{Script=Hiragana}`;
/** With the mark of a long vowel, which belongs to no script. */
const KATAKANA = String.raw`\p{Script=Katakana}\u30fc`;
const HANGUL = String.raw`\p{Script=Hangul}`;
const BRAHMIC = String.raw`\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}`;
const LETTER = String.raw`[[\p{L}\p{N}\p{M}]--[${HAN}${HIRAGANA}${KATAKANA}${HANGUL}${BRAHMIC}]]`;

/**
 * Words with apostrophes inside; runs of one unparted script each; pictographs. A change of script
 * parts a run: in Japanese it is where words end most often.
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
  if (isAscii(folded)) return (folded.match(ASCII_WORD) ?? []).map((text) => ({ text }));
  return [...folded.matchAll(WORD)].map(({ 0: text, groups = {} }) => {
    const run = SCRIPTS.find((script) => groups[script] !== undefined);
    return run === undefined ? { text } : { text, run };
  });
}

/**
 * What stands for a run without words: of Han every character and every two, of kana and Hangul every
 * two, of Thai and its kin, whose characters are parts of syllables, every three. A part of a text has
 * the parts of its run in the same order, so that phrases are found.
 */
export function gramsOf(text: string, script: UnpartedScript): string[] {
  const characters = Array.from(text);
  const size = script === 'brahmic' ? 3 : 2;
  const grams: string[] = [];
  for (const [at, character] of characters.entries()) {
    if (script === 'han') grams.push(character);
    if (at + size <= characters.length) grams.push(characters.slice(at, at + size).join(''));
  }
  if (grams.length > 0) return grams;
  // One syllable of hiragana alone is a particle: は, が, を.
  return script === 'kana' && HIRAGANA_ONLY.test(text) ? [] : [text];
}

const HIRAGANA_ONLY = /^\p{Script=Hiragana}+$/u;
