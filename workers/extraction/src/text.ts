// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const UNWANTED = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;
const PLAIN = /^[\u0020-\u007e]*$/;

/**
 * Cleans text for events and pages: well-formed, on one line, without control characters and direction
 * overrides, at most `max` UTF-16 units, with no surrogate pair split.
 */
export function cleanText(text: string, max: number): string {
  // Cut far beyond the bound first: an answer may be megabytes long.
  const bounded = text.length > max * 4 ? text.slice(0, max * 4) : text;
  if (bounded.length <= max && PLAIN.test(bounded)) return bounded.trim();
  const clean = bounded.replaceAll(UNWANTED, ' ').toWellFormed().trim();
  if (clean.length <= max) return clean;
  const cut = clean.slice(0, max);
  return (cut.isWellFormed() ? cut : cut.slice(0, -1)).trim();
}
