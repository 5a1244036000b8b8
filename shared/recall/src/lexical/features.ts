import { HashCounts } from './hash-counts.ts';
import { STOP_WORDS } from './stop-words.ts';
import { stem, words } from './words.ts';

/**
 * The hashed features of a text. Each kind of feature has a seed of its own, so that the word "art" and
 * the piece "art" of "party" are different features.
 */
const KINDS = {
  /** The stem of a word. */
  word: { seed: 0x811c9dc5, weight: 1 },
  /** A stop word: enough to order texts that have nothing else. */
  stopWord: { seed: 0x811c9dc5, weight: 0.1 },
  /** Two content words next to each other. */
  pair: { seed: 0x3b1f7a29, weight: 0.5 },
  /**
   * Three to five characters of a word, with its ends marked: they match related forms and typing errors.
   * A long word has more of them, which makes it weigh more; long words are the rarer ones.
   */
  piece: { seed: 0x5d8e2c47, weight: 0.2 },
  /** A character of a text without words. */
  symbol: { seed: 0x1e6b9f83, weight: 1 },
} as const;
type Kind = keyof typeof KINDS;
const ALL_KINDS = Object.keys(KINDS) as Kind[];

/** Beyond this length a "word" is an encoded blob; its beginning identifies it. */
const LONGEST_WORD = 64;
/** Scripts without spaces between words: short pieces replace words there. */
const UNPARTED = /[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff]/;

/** Counts the features of one text, each kind separately. */
export class FeatureCounts {
  readonly #counts: Readonly<Record<Kind, HashCounts>> = {
    word: new HashCounts(),
    stopWord: new HashCounts(),
    pair: new HashCounts(),
    piece: new HashCounts(),
    symbol: new HashCounts(),
  };

  clear(): void {
    for (const kind of ALL_KINDS) this.#counts[kind].clear();
  }

  add(kind: Kind, text: string, count: number): void {
    let hash: number = KINDS[kind].seed;
    for (let at = 0; at < text.length; at += 1) hash = step(hash, text.charCodeAt(at));
    this.#counts[kind].add(mixed(hash), count);
  }

  /** One pass: the hash of five characters goes through those of three and four. */
  addPieces(word: string, shortest: number, longest: number, count: number): void {
    const pieces = this.#counts.piece;
    for (let start = 0; start + shortest <= word.length; start += 1) {
      let hash: number = KINDS.piece.seed;
      const end = Math.min(word.length, start + longest);
      for (let at = start; at < end; at += 1) {
        hash = step(hash, word.charCodeAt(at));
        if (at - start + 1 >= shortest) pieces.add(mixed(hash), count);
      }
    }
  }

  /**
   * Each feature as a signed 32-bit hash, with its weight. Repetition counts less and less; the
   * square root, unlike a logarithm, is exact by IEEE 754 and so the same on every machine.
   */
  forEach(visit: (hash: number, weight: number) => void): void {
    for (const kind of ALL_KINDS) {
      const { weight } = KINDS[kind];
      this.#counts[kind].forEach((hash, count) => visit(hash, weight * Math.sqrt(count)));
    }
  }
}

/** Reused for one text at a time: no caller reads it after the next text. */
const found = new FeatureCounts();

/** The features of any text, valid until the next call; only a text of blanks has none. */
export function features(text: string): FeatureCounts {
  found.clear();
  const all = words(text);
  const counts = new Map<string, number>();
  let before: string | undefined;
  for (const long of all) {
    const word = long.slice(0, LONGEST_WORD);
    counts.set(word, (counts.get(word) ?? 0) + 1);
    if (STOP_WORDS.has(word)) continue;
    const here = stem(word);
    if (before !== undefined) found.add('pair', `${before} ${here}`, 1);
    before = here;
  }
  for (const [word, count] of counts) addWord(word, count);
  if (all.length === 0) {
    for (const symbol of text.replaceAll(/\s+/g, '')) found.add('symbol', symbol, 1);
  }
  return found;
}

function addWord(word: string, count: number): void {
  if (STOP_WORDS.has(word)) {
    found.add('stopWord', word, count);
    return;
  }
  if (UNPARTED.test(word)) {
    found.addPieces(word, 1, 3, count);
    return;
  }
  found.add('word', stem(word), count);
  found.addPieces(`<${word}>`, 3, 5, count);
}

/** FNV-1a, a UTF-16 unit at a time. */
function step(hash: number, unit: number): number {
  return Math.imul(hash ^ unit, 0x01000193);
}

/**
 * The finaliser of MurmurHash3: spreads over all bits what FNV leaves in the low ones. Signed, since
 * V8 stores such integers in place.
 */
function mixed(hash: number): number {
  const first = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  const second = Math.imul(first ^ (first >>> 13), 0xc2b2ae35);
  return second ^ (second >>> 16);
}
