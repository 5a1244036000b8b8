const BEYOND_ASCII = /[\u0080-\uffff]/;
/** Accents over Latin and Greek letters. Elsewhere a mark is part of the letter: й, が, the vowels of Thai. */
const ACCENTS = /(?<=[a-z\u0370-\u03ff\u1f00-\u1fff])[\u0300-\u036f]+/g;
/** Letters that Unicode does not decompose, and marks that only careful writers set. */
const VARIANTS: Readonly<Record<string, string>> = {
  ß: 'ss',
  æ: 'ae',
  œ: 'oe',
  ø: 'o',
  đ: 'd',
  ð: 'd',
  ł: 'l',
  ı: 'i',
  ς: 'σ',
  ё: 'е',
  ى: 'ي',
};
const VARIANT = new RegExp(`[${Object.keys(VARIANTS).join('')}]`, 'g');
/** Vowel signs and the filler of Arabic, points of Hebrew, joiners, and variation selectors. */
const POINTS =
  /[\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670]|\u200c|\u200d|[\ufe00-\ufe0f]/g;

/**
 * A text in the spelling used for comparison: lower case, without accents, with plain letters instead
 * of full-width and other compatibility forms. A word folds the same written carefully or in haste.
 */
export function fold(text: string): string {
  if (isAscii(text)) return text.toLowerCase();
  return text
    .toLowerCase()
    .normalize('NFKD')
    .toLowerCase()
    .replaceAll(ACCENTS, '')
    .replaceAll(POINTS, '')
    .normalize('NFC')
    .replaceAll(VARIANT, (letter) => VARIANTS[letter] ?? letter);
}

/** Most texts are ASCII, and then folding changes only the case. */
export function isAscii(text: string): boolean {
  return !BEYOND_ASCII.test(text);
}
