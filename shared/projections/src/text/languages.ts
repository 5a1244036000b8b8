import { stemmer as arabic } from '@orama/stemmers/arabic';
import { stemmer as danish } from '@orama/stemmers/danish';
import { stemmer as dutch } from '@orama/stemmers/dutch';
import { stemmer as english } from '@orama/stemmers/english';
import { stemmer as finnish } from '@orama/stemmers/finnish';
import { stemmer as french } from '@orama/stemmers/french';
import { stemmer as german } from '@orama/stemmers/german';
import { stemmer as greek } from '@orama/stemmers/greek';
import { stemmer as hungarian } from '@orama/stemmers/hungarian';
import { stemmer as indonesian } from '@orama/stemmers/indonesian';
import { stemmer as italian } from '@orama/stemmers/italian';
import { stemmer as norwegian } from '@orama/stemmers/norwegian';
import { stemmer as portuguese } from '@orama/stemmers/portuguese';
import { stemmer as romanian } from '@orama/stemmers/romanian';
import { stemmer as russian } from '@orama/stemmers/russian';
import { stemmer as spanish } from '@orama/stemmers/spanish';
import { stemmer as swedish } from '@orama/stemmers/swedish';
import { stemmer as turkish } from '@orama/stemmers/turkish';
import { stemmer as ukrainian } from '@orama/stemmers/ukrainian';
import { fold } from './fold.ts';
import { STOP_WORDS } from './stop-words.ts';
import { gramsOf, type Word } from './words.ts';

/** A word as written in an indexed text; see `analyse`. */
export interface Indexed {
  readonly lexemes: string;
  readonly length: number;
}

/** How the words of a language become lexemes. */
interface Rules {
  readonly stem: (word: string) => string;
  readonly stopWords: ReadonlySet<string>;
  /** Results for words seen before, as most are: a stemmer takes 3 µs a word. */
  readonly known: Map<string, Indexed>;
}

/** Stemmers by ISO 639-1 code; `und` for every other language, whose words are not stemmed. */
const STEMMERS = {
  ar: (word: string): string => arabic(withoutParticle(word)),
  da: danish,
  de: german,
  el: greek,
  en: english,
  es: spanish,
  fi: finnish,
  fr: french,
  hu: hungarian,
  id: indonesian,
  it: italian,
  nl: dutch,
  no: norwegian,
  pt: portuguese,
  ro: romanian,
  ru: russian,
  sv: swedish,
  tr: turkish,
  uk: ukrainian,
  und: (word: string): string => word,
} as const;

/**
 * The article, together with the words for and, so, with, like and for that are written before it: والكتاب
 * is كتاب. The stemmer does not remove it from short words.
 */
function withoutParticle(word: string): string {
  return word.replace(/^(?:[وفبك]?ال|لل)(?=..)/, '');
}

export type Language = keyof typeof STEMMERS;
export const LANGUAGES = Object.keys(STEMMERS) as readonly Language[];

const RULES = Object.fromEntries(
  LANGUAGES.map((language) => [language, rulesOf(language)]),
) as Readonly<Record<Language, Rules>>;

function rulesOf(language: Language): Rules {
  const listed = language === 'und' ? '' : STOP_WORDS[language];
  return {
    stopWords: new Set(listed.split(/\s+/).map(fold)),
    stem: STEMMERS[language],
    known: new Map(),
  };
}

const MOST_KNOWN = 20_000;

/** Other codes of these languages: both written standards of Norwegian, and the old code of Indonesian. */
const OTHER_CODES: Readonly<Record<string, Language>> = { nb: 'no', nn: 'no', in: 'id' };

/** The rules for a language tag, such as `de` or `pt-BR`. */
export function languageOf(tag: string): Language {
  const [code = ''] = tag.toLowerCase().split('-');
  const known = OTHER_CODES[code] ?? code;
  return isLanguage(known) ? known : 'und';
}

function isLanguage(code: string): code is Language {
  return Object.hasOwn(STEMMERS, code);
}

export function stopWordsOf(language: Language): ReadonlySet<string> {
  return RULES[language].stopWords;
}

/** A longer "word" is an encoded blob; its beginning is enough to distinguish it. */
const LONGEST = 64;
/** Half of a character that the cut went through. */
const HALF_PAIR = /[\ud800-\udbff]$/;
/** Contractions that English appends to a word. */
const CONTRACTION = /['’](?:s|re|ve|ll|d|m|t)$/;

/** The lexemes of a word in a language; none for a stop word. */
export function lexemesOf(word: Word, language: Language): readonly string[] {
  return typeof word === 'string' ? stemmed(word, RULES[language]) : gramsOf(word);
}

/** The same between blanks, or a dot when there are none. */
export function indexedWord(word: Word, language: Language): Indexed {
  if (typeof word !== 'string') return indexed(gramsOf(word));
  const rules = RULES[language];
  const before = rules.known.get(word);
  if (before !== undefined) return before;
  if (rules.known.size >= MOST_KNOWN) rules.known.clear();
  const found = indexed(stemmed(word, rules));
  rules.known.set(word, found);
  return found;
}

function indexed(lexemes: readonly string[]): Indexed {
  if (lexemes.length === 0) return NOTHING;
  return { lexemes: lexemes.map((lexeme) => ` ${lexeme} `).join(''), length: lexemes.length };
}

const NOTHING: Indexed = { lexemes: '.', length: 0 };

function stemmed(word: string, { stem, stopWords }: Rules): string[] {
  if (stopWords.has(word)) return [];
  const bare = word.replace(CONTRACTION, '');
  const parts = /['’]/.test(bare) ? bare.split(/['’]/) : [bare];
  return parts
    .filter(
      (part) => part !== '' && !stopWords.has(part) && (parts.length === 1 || part.length > 1),
    )
    .map((part) => stem(part.slice(0, LONGEST).replace(HALF_PAIR, '')))
    .filter((lexeme) => lexeme !== '');
}
