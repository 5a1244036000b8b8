import { detectAll } from 'tinyld/light';
import { isStopWord, type Language, LANGUAGES, languageOf } from './languages.ts';
import type { Word } from './words.ts';

/** Languages that are written in Latin letters and have rules of their own. */
const LATIN: readonly Language[] = LANGUAGES.filter(
  (language) => !['ar', 'el', 'ru', 'uk', 'und'].includes(language),
);
/** So much of a text says what language it is in. */
const LOOKED_AT = 40;
const LOOKED_AT_CHARACTERS = 300;

/**
 * The language of a text, whose words are given folded. Words that only one language has decide where
 * they can: that costs a microsecond, where the library takes 200. It is asked for the rest. Total: a
 * text that is too short to tell is taken for English, the commonest; one in a script without rules is
 * `und`.
 */
export function detect(text: string, words: readonly Word[]): Language {
  const parted = words.filter(({ run }) => run === undefined).slice(0, LOOKED_AT);
  const [first] = parted;
  if (first === undefined) return 'und';
  const script = scriptOf(parted);
  switch (script) {
    case 'latin':
      return byStopWords(parted, LATIN) ?? byLibrary(text, LATIN) ?? 'en';
    case 'cyrillic':
      return (
        byCyrillicLetters(parted) ??
        byStopWords(parted, ['ru', 'uk']) ??
        byLibrary(text, ['ru', 'uk']) ??
        'und'
      );
    case 'arabic':
      return parted.some(({ text: word }) => NOT_ARABIC.test(word)) ? 'und' : 'ar';
    case 'greek':
      return 'el';
    case 'other':
      return 'und';
    default:
      return script satisfies never;
  }
}

type Script = 'latin' | 'cyrillic' | 'arabic' | 'greek' | 'other';

/** That of most of the words. */
function scriptOf(words: readonly Word[]): Script {
  const counts: Record<Script, number> = { latin: 0, cyrillic: 0, arabic: 0, greek: 0, other: 0 };
  for (const { text } of words) counts[scriptOfWord(text)] += 1;
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

/** The language with the most words of its own kind; undefined when two have as many. */
function byStopWords(words: readonly Word[], among: readonly Language[]): Language | undefined {
  let best: Language | undefined;
  let most = 0;
  let isShared = true;
  for (const language of among) {
    let count = 0;
    for (const { text } of words) if (isStopWord(text, language)) count += 1;
    if (count > most) {
      best = language;
      most = count;
      isShared = false;
    } else if (count === most) {
      isShared = true;
    }
  }
  return isShared ? undefined : best;
}

/** Undefined when it does not know. */
function byLibrary(text: string, among: readonly Language[]): Language | undefined {
  const [best] = detectAll(text.slice(0, LOOKED_AT_CHARACTERS));
  if (best === undefined) return undefined;
  const language = languageOf(best.lang);
  return among.includes(language) ? language : undefined;
}

/** Letters that Persian and Urdu have and Arabic has not. */
const NOT_ARABIC = /[\u067e\u0686\u0698\u06a9\u06af\u06cc\u0679\u0688\u0691\u06ba\u06d2]/;

/** Letters of other languages than Russian and Ukrainian, of Ukrainian alone, and of Russian alone. */
const OTHER_CYRILLIC = /[ўјљњђћџќѓѕәғқңөұүһӣӯ]/;
const UKRAINIAN = /[іїєґ]/;
const RUSSIAN = /[ыэ]/;

function byCyrillicLetters(words: readonly Word[]): Language | undefined {
  if (words.some(({ text }) => OTHER_CYRILLIC.test(text))) return 'und';
  if (words.some(({ text }) => UKRAINIAN.test(text))) return 'uk';
  return words.some(({ text }) => RUSSIAN.test(text)) ? 'ru' : undefined;
}
