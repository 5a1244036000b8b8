import { detectAll } from 'tinyld/light';
import { isAscii } from './fold.ts';
import { type Language, LANGUAGES, languageOf, stopWordsOf } from './languages.ts';
import type { Word } from './words.ts';

/** Languages with rules of their own that are written in Latin letters. */
const LATIN: readonly Language[] = LANGUAGES.filter(
  (language) => !['ar', 'el', 'ru', 'uk', 'und'].includes(language),
);
/** This many words of a text are enough to detect its language. */
const LOOKED_AT = 24;
const LOOKED_AT_CHARACTERS = 300;
/** With fewer words than this the library only guesses, unless their letters help. */
const FEWEST_FOR_LIBRARY = 4;

/**
 * Detects the language of a text, given its folded words. Words that only one language has decide when
 * they can: that costs a microsecond, while the library takes 200. The library decides the rest. There
 * is always an answer: a text too short to tell counts as English, the most common language, and one in
 * a script without rules as `und`.
 */
export function detect(text: string, words: readonly Word[]): Language {
  const parted = firstWords(words);
  const [first] = parted;
  if (first === undefined) return 'und';
  const isPlain = isAscii(text);
  const script = isPlain ? 'latin' : scriptOf(parted);
  switch (script) {
    case 'latin':
      return ofLatinLetters(text, parted, isPlain);
    case 'cyrillic':
      return (
        byCyrillicLetters(parted) ??
        onlyOne(byStopWords(parted, ['ru', 'uk'])) ??
        byLibrary(text, ['ru', 'uk']) ??
        'und'
      );
    case 'arabic':
      return parted.some((word) => NOT_ARABIC.test(word)) ? 'und' : 'ar';
    case 'greek':
      return 'el';
    case 'other':
      return 'und';
    default:
      return script satisfies never;
  }
}

/**
 * When words of several languages tie, English among them, a text of plain letters counts as English:
 * names mislead the library, and short texts are full of names.
 */
function ofLatinLetters(text: string, words: readonly string[], isPlain: boolean): Language {
  const likely = byStopWords(words, LATIN);
  const [first] = likely;
  if (likely.length === 1 && first !== undefined) return first;
  if (isPlain && likely.includes('en')) return 'en';
  if (first !== undefined) return byLibrary(text, LATIN) ?? first;
  return (
    (isPlain && words.length < FEWEST_FOR_LIBRARY ? undefined : byLibrary(text, LATIN)) ?? 'en'
  );
}

function onlyOne(likely: readonly Language[]): Language | undefined {
  return likely.length === 1 ? likely[0] : undefined;
}

type Script = 'latin' | 'cyrillic' | 'arabic' | 'greek' | 'other';

/** The script of most of the words. */
function scriptOf(words: readonly string[]): Script {
  const counts: Record<Script, number> = { latin: 0, cyrillic: 0, arabic: 0, greek: 0, other: 0 };
  for (const word of words) counts[scriptOfWord(word)] += 1;
  const { other, ...known } = counts;
  const [best = ['latin', 0]] = Object.entries(known).toSorted(([, a], [, b]) => b - a);
  return best[1] === 0 || best[1] < other ? 'other' : (best[0] as Script);
}

function scriptOfWord(word: string): Script {
  const code = word.codePointAt(0) ?? 0;
  if (code < 0x250 || (code >= 0x1e00 && code < 0x1f00)) return 'latin';
  if (code >= 0x400 && code < 0x530) return 'cyrillic';
  if (code >= 0x600 && code < 0x780) return 'arabic';
  if (code >= 0x370 && code < 0x400) return 'greek';
  return 'other';
}

/** Which languages have a word as a stop word: one bit each, by index in `LANGUAGES`. */
const STOPPED_BY = new Map<string, number>();
for (const [place, language] of LANGUAGES.entries()) {
  for (const word of stopWordsOf(language)) {
    STOPPED_BY.set(word, (STOPPED_BY.get(word) ?? 0) | (1 << place));
  }
}

/** Counts of the one text that is being detected. */
const counts = new Int32Array(LANGUAGES.length);

/** The languages with most of the words as stop words; several on a tie, none without a stop word. */
function byStopWords(words: readonly string[], among: readonly Language[]): Language[] {
  counts.fill(0);
  for (const word of words) {
    for (let left = STOPPED_BY.get(word) ?? 0; left !== 0; left &= left - 1) {
      const place = 31 - Math.clz32(left & -left);
      counts[place] = (counts[place] ?? 0) + 1;
    }
  }
  let best: Language[] = [];
  let most = 0;
  for (let place = 0; place < LANGUAGES.length; place += 1) {
    const count = counts[place] ?? 0;
    const language = LANGUAGES[place];
    if (language === undefined || !among.includes(language)) continue;
    if (count < most || count === 0) continue;
    if (count > most) best = [];
    best.push(language);
    most = count;
  }
  return best;
}

/** The library's answer; undefined when it does not know. */
function byLibrary(text: string, among: readonly Language[]): Language | undefined {
  const [best] = detectAll(text.slice(0, LOOKED_AT_CHARACTERS));
  if (best === undefined) return undefined;
  const language = languageOf(best.lang);
  return among.includes(language) ? language : undefined;
}

/** Letters that Persian and Urdu have but Arabic does not. */
const NOT_ARABIC = /[\u067e\u0686\u0698\u06a9\u06af\u06cc\u0679\u0688\u0691\u06ba\u06d2]/;

/** Letters of languages other than Russian and Ukrainian, of Ukrainian alone, and of Russian alone. */
const OTHER_CYRILLIC = /[ўјљњђћџќѓѕәғқңөұүһӣӯ]/;
const UKRAINIAN = /[іїєґ]/;
const RUSSIAN = /[ыэ]/;

function byCyrillicLetters(words: readonly string[]): Language | undefined {
  if (words.some((word) => OTHER_CYRILLIC.test(word))) return 'und';
  if (words.some((word) => UKRAINIAN.test(word))) return 'uk';
  return words.some((word) => RUSSIAN.test(word)) ? 'ru' : undefined;
}

function firstWords(words: readonly Word[]): string[] {
  const first: string[] = [];
  for (const word of words) {
    if (first.length === LOOKED_AT) break;
    if (typeof word === 'string') first.push(word);
  }
  return first;
}
