import { Tag } from './lexicon.ts';
import type { Token } from './tokens.ts';
import {
  type Agreement,
  finiteOf,
  isBare,
  isGerund,
  isParticiple,
  isPast,
  isPresent,
  tellsOfThePast,
} from './verb-forms.ts';
import { Role } from './words.ts';

/** The verbs of a clause, in the form that fits a subject in the third person. */
export interface VerbGroup {
  /** The words of the predicate: "does not like", "wants to learn". */
  readonly words: readonly string[];
  /** The verb with the meaning, in lower case: "like", "learn". */
  readonly main: string;
  /** The first of the full verbs: "want" in "wants to learn". */
  readonly first: string;
  readonly copula: boolean;
  readonly negated: boolean;
  /** "might", "probably": the statement may not be true. */
  readonly doubtful: boolean;
  /** "should", "could": the statement is not true. */
  readonly unreal: boolean;
  /** Index after the group. */
  readonly end: number;
}

const KEPT_ADVERBS = new Set(
  'always never often usually rarely seldom hardly barely sometimes mostly still originally'.split(
    ' ',
  ),
);
const NEGATIVE = new Set(['not', 'never', 'hardly', 'barely', 'no']);
const UNREAL = new Set(['should', 'could', 'shall', 'must', "'d"]);
const MODALS = new Set('will would can could should might may must shall'.split(' '));
const SHORT: ReadonlyMap<string, readonly string[]> = new Map([
  ['gonna', ['going', 'to']],
  ['gotta', ['to']],
  ['wanna', ['wants', 'to']],
]);
const MAX_WORDS = 12;

export function verbGroupAt(
  tokens: readonly Token[],
  from: number,
  agreement: Agreement,
): VerbGroup | undefined {
  const words: string[] = [];
  let at = from;
  let first = '';
  let main = '';
  let copula = false;
  let negated = false;
  let doubtful = false;
  let unreal = false;
  /** What may follow: a finite verb, a bare one after "do" and "will", a participle. */
  let expects: 'finite' | 'bare' | 'participle' | 'after-be' = 'finite';
  while (at < tokens.length && words.length < MAX_WORDS) {
    const token = tokens[at];
    if (token?.kind !== 'word') break;
    const { low } = token;
    if (low === 'not') {
      if (words.length === 0) return undefined;
      if (words.at(-1) === 'can') words[words.length - 1] = 'cannot';
      else words.push('not');
      negated = true;
      at += 1;
      continue;
    }
    // "is May 15" is a date.
    if (token.capital && MODALS.has(low) && at > from) break;
    if ((token.role & (Role.adverb | Role.doubt)) !== 0 && !MODALS.has(low)) {
      // An adverb may belong to what follows the copula: "is very tall".
      if (expects === 'after-be' && !NEGATIVE.has(low) && !beforeVerb(tokens, at)) break;
      if ((token.role & Role.doubt) !== 0) doubtful = true;
      if (NEGATIVE.has(low)) negated = true;
      if (KEPT_ADVERBS.has(low)) words.push(low);
      at += 1;
      continue;
    }
    const short = SHORT.get(low);
    if (short !== undefined) {
      words.push(...short);
      first ||= 'go';
      expects = 'bare';
      at += 1;
      continue;
    }
    if (MODALS.has(low) || (low === "'d" && expects === 'finite')) {
      if (UNREAL.has(low)) unreal = low !== "'d" || unreal;
      if (low === 'might' || low === 'may') doubtful = true;
      words.push(low === "'d" ? (isBare(tokens[at + 1]) ? 'would' : 'had') : low);
      expects = low === "'d" && !isBare(tokens[at + 1]) ? 'participle' : 'bare';
      at += 1;
      continue;
    }
    if (isBe(token, tokens[at + 1])) {
      words.push(expects === 'finite' ? beFor(low, agreement) : low === "'s" ? 'is' : low);
      copula = true;
      expects = 'after-be';
      at += 1;
      continue;
    }
    if (expects === 'after-be') {
      if (!isParticiple(token) && !isGerund(token)) break;
      // "is married to", "is interested in" are states; "is a", "is tired" are no verbs either way.
      if (isParticiple(token) && (token.tags & Tag.adjective) !== 0) break;
      words.push(low);
      main = low;
      first ||= low;
      copula = false;
      at += 1;
      const next = withInfinitive(tokens, at, low, words);
      if (next > at) main = words.at(-1) ?? main;
      at = next;
      break;
    }
    if (low === 'have' || low === 'has' || low === 'had' || low === "'s") {
      const finite = low === 'had' ? 'had' : agreement === 'plural' && low === 'have' ? low : 'has';
      words.push(expects === 'finite' ? finite : low);
      at += 1;
      const next = skipAdverbs(tokens, at);
      if (tokens[next]?.low === 'got' && low !== 'had') {
        // "has got a cat" is "has a cat".
        words[words.length - 1] = finite;
        first ||= 'have';
        main = 'have';
        at = withInfinitive(tokens, next + 1, 'have', words);
        break;
      }
      if (isParticiple(tokens[next]) || tokens[next]?.low === 'been') {
        expects = 'participle';
        continue;
      }
      first ||= 'have';
      main = 'have';
      const after = withInfinitive(tokens, at, 'have', words);
      if (after > at) main = words.at(-1) ?? main;
      at = after;
      break;
    }
    if (low === 'do' || low === 'does' || low === 'did') {
      words.push(low === 'did' ? 'did' : agreement === 'plural' ? 'do' : 'does');
      at += 1;
      const next = skipAdverbs(tokens, at);
      if (next > at || isBare(tokens[next])) {
        expects = 'bare';
        continue;
      }
      first ||= 'do';
      main = 'do';
      break;
    }
    if (!isVerb(token, agreement, expects)) break;
    const isLongAgo = (token.tags & Tag.past) !== 0 && tellsOfThePast(tokens, at);
    words.push(expects === 'finite' && !isLongAgo ? finiteOf(token, agreement) : low);
    main = low;
    first ||= low;
    at = withInfinitive(tokens, at + 1, low, words);
    if (words.at(-1) !== low && words.includes('to')) main = words.at(-1) ?? low;
    break;
  }
  if (words.length === 0 || (main === '' && !copula)) return undefined;
  return {
    words,
    main: main === '' ? 'be' : main,
    first: first === '' ? 'be' : first,
    copula: copula && main === '',
    negated,
    doubtful,
    unreal,
    end: at,
  };
}

const CATENATIVE = new Set(
  `want wants wanted like likes liked love loves loved hope hopes hoped plan plans planned need needs
  needed have has had try tries tried going used decide decided start started learn learned learning
  trying planning hoping prefer prefers preferred hate hates intend intends choose chose managed
  promise promised agreed begin began continue supposed able expect wish dream`
    .trim()
    .split(/\s+/),
);

/** "wants" + "to learn", "loves" + "to cook". */
function withInfinitive(
  tokens: readonly Token[],
  at: number,
  verb: string,
  words: string[],
): number {
  if (!CATENATIVE.has(verb) || tokens[at]?.low !== 'to') return at;
  const next = tokens[at + 1];
  if (next?.kind !== 'word') return at;
  const isOther = next.capital || next.low.endsWith('ing');
  const isInfinitive =
    next.low === 'be' ||
    next.low === 'have' ||
    (next.tags & Tag.infinitive) !== 0 ||
    (next.role === 0 && !isOther);
  if (!isInfinitive) return at;
  words.push('to', next.low);
  return at + 2;
}

function skipAdverbs(tokens: readonly Token[], from: number): number {
  let at = from;
  while (at < tokens.length) {
    const token = tokens[at];
    if (token === undefined || (token.low !== 'not' && (token.role & Role.adverb) === 0)) break;
    at += 1;
  }
  return at;
}

function beforeVerb(tokens: readonly Token[], at: number): boolean {
  const next = tokens[skipAdverbs(tokens, at)];
  return next !== undefined && (isGerund(next) || (next.tags & Tag.past) !== 0);
}

function isBe(token: Token, next: Token | undefined): boolean {
  if ((token.role & Role.be) !== 0) return true;
  if (token.low !== "'s") return false;
  // "she's moved" and "he's got" have; "she's tall", "he's moving" are.
  return !(next !== undefined && (isParticiple(next) || next.low === 'been' || next.low === 'got'));
}

function beFor(low: string, agreement: Agreement): string {
  if (low === "'s") return 'is';
  if (low === 'am' || (low === 'are' && agreement === 'first')) return 'is';
  if (low === 'been' || low === 'be') return agreement === 'plural' ? 'are' : 'is';
  return low;
}

/** Whether a word can be the verb, given the words before it. */
function isVerb(
  token: Token,
  agreement: Agreement,
  expects: 'finite' | 'bare' | 'participle',
): boolean {
  const { tags, role } = token;
  const closed =
    Role.preposition | Role.determiner | Role.subordinate | Role.pronoun | Role.coordinator;
  if ((role & closed) !== 0 && (tags & Tag.infinitive) === 0) return false;
  if (expects === 'participle') return isPast(token);
  if ((tags & Tag.infinitive) !== 0) return expects === 'bare' || agreement !== 'third';
  if (expects === 'bare') return tags === 0 && role === 0;
  if (isPast(token)) return true;
  if (isPresent(token)) return agreement === 'third';
  // After "I", an unknown word is a verb.
  return (
    agreement === 'first' && tags === 0 && role === 0 && !token.capital && token.low.length > 2
  );
}
