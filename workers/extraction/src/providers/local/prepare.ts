/** Longer texts are cut here: the important parts come early, and the time per event stays bounded. */
const MAX_CHARS = 4_000;

export interface Prepared {
  /** Prose only, well-formed, straight quotes, without markup, links and invisible characters. */
  readonly text: string;
  /** Why the text has no prose to read statements from. */
  readonly unreadable?: string;
}

const INVISIBLE =
  // oxlint-disable-next-line no-control-regex -- control characters are what it is for
  /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ufffd]/g;
const NOT_PLAIN = /[^\t\n\u0020-\u007e]/;
// Each quantifier is bounded by a character that it cannot match: linear in the text.
const TAG = /<[/!]?[a-zA-Z][^<>]{0,400}>/g;
const LINK = /(?:https?|ftp):\/\/[^\s<>"]{1,2000}/g;
const IMAGE_OR_LINK = /!?\[([^[\]\n]{0,200})\]\([^()\s]{0,500}\)/g;
const LINE_MARK = /^[ \t]{0,8}(?:>+|#{1,6}(?= )|[-*+](?= )|\d{1,3}[.)](?= ))[ \t]?/gm;

/** Keeps the parts of a text that rules for prose can read. Pure; it reads at most MAX_CHARS. */
export function prepare(content: string): Prepared {
  let text = content.length > MAX_CHARS ? content.slice(0, MAX_CHARS) : content;
  if (NOT_PLAIN.test(text)) {
    text = text
      .toWellFormed()
      .replace(/[\u2018\u2019\u02bc\u00b4]/g, "'")
      .replace(/[\u201c\u201d\u00ab\u00bb]/g, '"')
      .replace(/[\u2013\u2014]/g, ' - ')
      .replace(/\u2026/g, '... ')
      .replace(/[\u00a0\u2000-\u200a\u2028\u2029\u202f\u3000\r]/g, ' ')
      .replace(INVISIBLE, '');
  }
  if (text.trim() === '') return { text: '', unreadable: 'no text' };
  if (text.includes('```')) text = withoutFences(text);
  if (text.includes('`')) text = text.replaceAll('`', '');
  if (text.includes('<')) text = text.replace(TAG, ' ');
  if (text.includes('](')) text = text.replace(IMAGE_OR_LINK, '$1');
  if (text.includes('://')) text = text.replace(LINK, ' ');
  if (text.includes('\n')) text = text.replace(LINE_MARK, '');
  if (text.includes('*')) text = text.replaceAll('*', '');
  if (text.includes(" '") || text.includes(" n't")) text = joinContractions(text);
  if (text.trim() === '') return { text: '', unreadable: 'only code or markup' };
  if (isCode(text)) return { text: '', unreadable: 'only code or markup' };
  return { text };
}

function withoutFences(text: string): string {
  // Every second piece is between two fences; an unclosed fence lasts to the end.
  return text
    .split('```')
    .filter((_piece, index) => index % 2 === 0)
    .join('\n');
}

/** Corpora that were tokenised write "I 'm", "do n't" and "i ' m". */
function joinContractions(text: string): string {
  return text.replace(/ ' ?(m|s|d|ve|re|ll|t)\b/gi, "'$1").replace(/ n't\b/gi, "n't");
}

/** Source code and data: more brackets and operators than prose ever has. */
function isCode(text: string): boolean {
  let signs = 0;
  for (let index = 0; index < text.length; index += 1) {
    switch (text.charCodeAt(index)) {
      case 0x7b: // {
      case 0x7d: // }
      case 0x5b: // [
      case 0x5d: // ]
      case 0x3d: // =
      case 0x3b: // ;
      case 0x3c: // <
      case 0x3e: // >
      case 0x7c: // |
      case 0x5c: // backslash
        signs += 1;
        break;
      default:
    }
  }
  return signs > 3 && signs * 25 > text.length;
}
