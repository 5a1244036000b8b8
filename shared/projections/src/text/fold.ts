const BEYOND_ASCII = /[\u0080-\uffff]/;
/** Accents over Latin and Greek letters. Elsewhere a mark is part of the letter: й, が, the vowels of Thai. */
const ACCENTS = /(?<=[a-z\u0370-\u03ff\u1f00-\u1fff])[\u0300-\u036f]+/g;
/** Letters that no decomposition takes apart, and marks that only careful writers set. */
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
/** Vowel signs and the filler of Arabic, points of Hebrew; joiners, and what picks the look of a picture. */
const POINTS = /[\u0591-\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u200c\u200d\ufe00-\ufe0f]/g;

/**
 * A text in the one spelling that is compared: lower case, without accents, full-width and other
 * compatibility forms as the plain ones. Written carefully or in haste, a word is the same.
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

/** Most texts are, and then folding changes nothing but the case. */
export function isAscii(text: string): boolean {
  return !BEYOND_ASCII.test(text);
}
