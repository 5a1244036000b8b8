import {
  fold,
  LANGUAGES,
  type Language,
  lexemesIn,
  lexemesOf,
  type Word,
  words,
} from '@memfleet/projections';

/** What a word, or words in a row, are indexed as in each language that has something for them. */
export type ByLanguage = Readonly<Partial<Record<Language, string>>>;

export interface ParsedQuery {
  /** What is asked, without what is excluded: for an embedder. */
  readonly text: string;
  /** Each word once, as it may stand in the column `lexemes`; words that say nothing are left out. */
  readonly words: readonly ByLanguage[];
  /** Word sequences that must be in a content. */
  readonly phrases: readonly ByLanguage[];
  /** Words and word sequences that must not. */
  readonly exclusions: readonly ByLanguage[];
  /** Every word of the query as it is compared, those that say nothing included. */
  readonly spoken: ReadonlySet<string>;
}

/** Beyond this many words a question is a text: its first words tell what it is about. */
const MOST_WORDS = 64;
/** `-"phrase"`, `"phrase"`, `-word`, or anything else up to the next blank. */
const PART =
  /(?<!\S)(?<minus>-?)"(?<phrase>[^"]+)"|(?<!\S)-(?<excluded>\p{L}\S*)|(?<plain>[^\s"]+)/gu;

/** Total: any text is a query, if only an empty one. */
export function parseQuery(query: string): ParsedQuery {
  const asked: string[] = [];
  const phrases: ByLanguage[] = [];
  const exclusions: ByLanguage[] = [];
  for (const { groups = {} } of query.matchAll(PART)) {
    const { minus, phrase, excluded, plain } = groups;
    if (plain !== undefined) asked.push(plain);
    else if (excluded !== undefined) exclusions.push(...sequence(excluded));
    else if (phrase !== undefined && minus === '-') exclusions.push(...sequence(phrase));
    else if (phrase !== undefined) {
      asked.push(phrase);
      phrases.push(...sequence(phrase));
    }
  }
  const text = asked.join(' ');
  const found = words(fold(text));
  return {
    text,
    words: distinct(found.flatMap(unitsOf)).slice(0, MOST_WORDS),
    phrases,
    exclusions,
    spoken: new Set(found.map((word) => word.text)),
  };
}

/** Without anything that could be looked for. */
export function isEmpty({ spoken }: ParsedQuery): boolean {
  return spoken.size === 0;
}

/** A word is one unit of the ranking; of a run without words each of its parts is. */
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

/** Nothing, when there is no word in it. */
function sequence(text: string): ByLanguage[] {
  const found = words(fold(text));
  if (found.length === 0) return [];
  const entries = LANGUAGES.flatMap((language) => {
    const { lexemes, length } = lexemesIn(found, language);
    // Words that say nothing are not told apart: what consists of them alone decides nothing.
    return length === 0 ? [] : [[language, lexemes.replaceAll(/^\.+|\.+$/g, '')] as const];
  });
  return [Object.fromEntries(entries)];
}

/** What a language has for an earlier word it does not have again: "tea" and "teas" count once. */
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
