import {
  fold,
  LANGUAGES,
  type Language,
  lexemesIn,
  lexemesOf,
  textOf,
  type Word,
  words,
} from '@memfleet/projections';
import { RuntimeError } from '@memfleet/runtime';

/** The indexed form of a word, or of words in a row, in each language that has one. */
export type ByLanguage = Readonly<Partial<Record<Language, string>>>;

export interface ParsedQuery {
  /** The query without its exclusions: for an embedder. */
  readonly text: string;
  /** Each word once, in the form of the column `lexemes`, without stop words. */
  readonly words: readonly ByLanguage[];
  /** Word sequences that a content must have. */
  readonly phrases: readonly ByLanguage[];
  /** Words and word sequences that a content must not have. */
  readonly exclusions: readonly ByLanguage[];
  /** Every word of the query in the form used for comparison, stop words included. */
  readonly spoken: ReadonlySet<string>;
}

/** Beyond this many words a query is a whole text: its first words tell what it is about. */
const MOST_WORDS = 64;
/** In a script without spaces every part of a word counts as one. */
const MOST_PARTS = 192;
/** Each is looked for in every row. */
const MOST_CONDITIONS = 32;
/** `-"phrase"`, `"phrase"`, `-word`, or anything else up to the next blank. */
const PART =
  /(?<!\S)(?<minus>-?)"(?<phrase>[^"]+)"|(?<!\S)-(?<excluded>\p{L}\S*)|(?<plain>[^\s"]+)/gu;

/** A phrase in quotation marks that people and their keyboards write, also in the middle of a run. */
const QUOTED = /(-?)[“”„‟«＂「『]([^“”„‟«»＂「」『』]+)[“”‟»＂」』]/gu;

/**
 * Any text is a query, if only an empty one.
 * @throws RuntimeError RECALL_QUERY_INVALID when it has more phrases and exclusions than can be looked for
 */
export function parseQuery(query: string): ParsedQuery {
  const asked: string[] = [];
  const phrases: ByLanguage[] = [];
  const exclusions: ByLanguage[] = [];
  for (const { groups = {} } of query.replaceAll(QUOTED, ' $1"$2" ').matchAll(PART)) {
    const { minus, phrase, excluded, plain } = groups;
    if (plain !== undefined) asked.push(plain);
    else if (excluded !== undefined) exclusions.push(...sequence(excluded));
    else if (phrase !== undefined && minus === '-') exclusions.push(...sequence(phrase));
    else if (phrase !== undefined) {
      asked.push(phrase);
      phrases.push(...sequence(phrase));
    }
  }
  if (phrases.length + exclusions.length > MOST_CONDITIONS) {
    // To leave some out would return what the query excludes.
    throw new RuntimeError(
      'RECALL_QUERY_INVALID',
      `the query must have at most ${MOST_CONDITIONS} phrases and exclusions together`,
    );
  }
  const text = asked.join(' ');
  const found = words(fold(text));
  const most = found.some((word) => typeof word !== 'string') ? MOST_PARTS : MOST_WORDS;
  return {
    text,
    words: distinct(found.flatMap(unitsOf)).slice(0, most),
    phrases,
    exclusions,
    spoken: new Set(found.map(textOf)),
  };
}

/** Whether the query has nothing to look for. */
export function isEmpty({ spoken }: ParsedQuery): boolean {
  return spoken.size === 0;
}

/** A word is one unit of the ranking; in a script without spaces, each part of a run is one. */
function unitsOf(word: Word): ByLanguage[] {
  const units: Partial<Record<Language, string>>[] = [];
  for (const language of LANGUAGES) {
    for (const [place, lexeme] of lexemesOf(word, language).entries()) {
      const unit = (units[place] ??= {});
      unit[language] = ` ${lexeme} `;
    }
  }
  return units;
}

/** Empty when the text has no word. */
function sequence(text: string): ByLanguage[] {
  const found = words(fold(text));
  if (found.length === 0) return [];
  const entries = LANGUAGES.flatMap((language) => {
    const { lexemes, length } = lexemesIn(found, language);
    // Stop words are not distinguished: a sequence of nothing else decides nothing.
    return length === 0 ? [] : [[language, lexemes.replaceAll(/^\.+|\.+$/g, '')] as const];
  });
  return [Object.fromEntries(entries)];
}

/** Drops what a language already has from an earlier word: "tea" and "teas" count once. */
function distinct(units: readonly ByLanguage[]): ByLanguage[] {
  const seen = new Set<string>();
  return units.flatMap((unit) => {
    const fresh = Object.entries(unit).filter(([language, lexeme]) => {
      const key = language + lexeme;
      if (seen.has(key)) return false;
      seen.add(key);
      return true;
    });
    return fresh.length === 0 ? [] : [Object.fromEntries(fresh)];
  });
}
