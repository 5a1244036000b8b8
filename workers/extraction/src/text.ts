// oxlint-disable-next-line no-control-regex -- control characters are what it is for
const UNWANTED = /[\u0000-\u001f\u007f-\u009f\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff]+/g;
const PLAIN = /^[\u0020-\u007e]*$/;

/**
 * Text as an event may carry it and a page show it: well-formed, on one line, without control
 * characters and direction overrides, at most `max` UTF-16 units, no pair cut in half.
 */
export function cleanText(text: string, max: number): string {
  // What is beyond the bound is cut before it is looked at: an answer may be megabytes long.
  const bounded = text.length > max * 4 ? text.slice(0, max * 4) : text;
  if (bounded.length <= max && PLAIN.test(bounded)) return bounded.trim();
  const clean = bounded.replaceAll(UNWANTED, ' ').toWellFormed().trim();
  if (clean.length <= max) return clean;
  const cut = clean.slice(0, max);
  return (cut.isWellFormed() ? cut : cut.slice(0, -1)).trim();
}
