/** Letters with their marks and digits, apostrophes inside; or one pictograph. */
const WORD = /[\p{L}\p{N}\p{M}]+(?:['’][\p{L}\p{M}]+)*|\p{Extended_Pictographic}/gu;

/**
 * The words of a text in order, so that equal spelling means equal words: compatibility forms and accents
 * are folded (ﬁ → fi, é → e), and so is case. Total: odd text gives odd words, or none.
 */
export function words(text: string): string[] {
  const folded = text
    .normalize('NFKD')
    // Only the accents of European scripts: elsewhere a mark is a vowel.
    .replaceAll(/[\u0300-\u036f]/g, '')
    .toLowerCase();
  return folded.match(WORD) ?? [];
}

const SHORTEST_STEMMED = 4;

/**
 * Strips the commonest English endings, so that "moved" matches "moving" and "cities" matches "city".
 * Lighter than Porter's stemmer on purpose: character n-grams find the related forms that it misses.
 */
export function stem(word: string): string {
  const bare = word.replace(/['’](?:s|re|ve|ll|d|m)?$/, '');
  if (bare.length < SHORTEST_STEMMED || !/^[a-z]+$/.test(bare)) return bare;
  return withoutFinalE(withoutSuffix(withoutPlural(bare)));
}

function withoutPlural(word: string): string {
  if (word.endsWith('ies') && word.length > 4) return `${word.slice(0, -3)}y`;
  if (/(?:s|x|z|ch|sh)es$/.test(word)) return word.slice(0, -2);
  return /[^siu]s$/.test(word) ? word.slice(0, -1) : word;
}

function withoutSuffix(word: string): string {
  const rest = /^(.*[aeiouy].*)(?:ing|ed)$/.exec(word)?.[1];
  if (rest === undefined || rest.length < 3) return word;
  // planned → plan, but called → call
  return /([^aeiouylsz])\1$/.test(rest) ? rest.slice(0, -1) : rest;
}

function withoutFinalE(word: string): string {
  return word.length >= SHORTEST_STEMMED && word.endsWith('e') ? word.slice(0, -1) : word;
}
