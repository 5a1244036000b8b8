import { tagsOf } from './lexicon.ts';
import { roleOf } from './words.ts';

export type TokenKind = 'word' | 'number' | 'hashtag' | 'mention' | 'quote' | 'mark';

/** A word, number, mark or whole quotation. `start` and `end` are offsets into the prepared text. */
export interface Token {
  readonly kind: TokenKind;
  /** Lower case, and contractions in full: "n't" is "not", "'m" is "am". */
  readonly low: string;
  readonly start: number;
  readonly end: number;
  /** Begins with a capital letter. */
  readonly capital: boolean;
  /** Bits of the lexicon. */
  readonly tags: number;
  /** Bits of the closed classes. */
  readonly role: number;
}

export interface Sentence {
  readonly tokens: readonly Token[];
  /** Ends with a question mark. */
  readonly question: boolean;
}

const WORD = String.raw`[\p{L}\p{N}\p{M}_]+`;
const ASCII_WORD = '[A-Za-z0-9_]+';
// Adjacent parts share no characters, so that a match never backtracks.
const pattern = (letters: string, flags: string) =>
  new RegExp(
    `[#@]${letters}|[$€£¥]?\\d{1,12}(?:[.,:]\\d{1,12}){1,4}(?:${letters}|%)?|[$€£¥]?${letters}(?:['&@-]${letters})*[+%]{0,2}|\\.{2,}|--+|\\n|[^\\s]`,
    flags,
  );
const ANY_TOKEN = pattern(WORD, 'gu');
const ASCII_TOKEN = pattern(ASCII_WORD, 'g');
// oxlint-disable-next-line no-control-regex -- tells plain ASCII from the rest
const NOT_ASCII = /[^\u0000-\u007f]/;

const CONTRACTIONS: ReadonlyMap<string, readonly [string, string]> = new Map([
  ["can't", ['can', 'not']],
  ["won't", ['will', 'not']],
  ["ain't", ['is', 'not']],
  ['im', ['i', 'am']],
  ['ive', ['i', 'have']],
  ['dont', ['do', 'not']],
  ['didnt', ['did', 'not']],
  ['doesnt', ['does', 'not']],
  ['cant', ['can', 'not']],
  ['wont', ['will', 'not']],
  ['isnt', ['is', 'not']],
  ['wasnt', ['was', 'not']],
  ['havent', ['have', 'not']],
  ['cannot', ['can', 'not']],
]);
const ENDINGS: ReadonlyMap<string, string> = new Map([
  ["'m", 'am'],
  ["'re", 'are'],
  ["'ve", 'have'],
  ["'ll", 'will'],
  ["'d", "'d"],
  ["'s", "'s"],
]);
const ABBREVIATIONS = new Set('mr mrs ms dr prof st vs etc no jr sr mt e i a p approx'.split(' '));
const MAX_QUOTE = 200;

/** Splits prepared text into sentences of tokens. Linear in the text. */
export function tokenize(text: string): Sentence[] {
  const sentences: Sentence[] = [];
  let tokens: Token[] = [];
  const finish = (question: boolean) => {
    if (tokens.length > 0) sentences.push({ tokens, question });
    tokens = [];
  };
  const next = NOT_ASCII.test(text) ? ANY_TOKEN : ASCII_TOKEN;
  next.lastIndex = 0;
  for (let match = next.exec(text); match !== null; match = next.exec(text)) {
    const raw = match[0];
    const start = match.index;
    const end = start + raw.length;
    const first = raw.charCodeAt(0);
    if (isWordStart(first) || raw.length > 1) {
      if (first === 0x2e || first === 0x2d) {
        tokens.push(mark('-', start, end));
      } else {
        pushWord(tokens, raw, start);
      }
      continue;
    }
    if (raw === '"' || raw === "'") {
      const close = closingQuote(text, raw, start);
      if (close > 0) {
        tokens.push({
          kind: 'quote',
          low: '"',
          start,
          end: close + 1,
          capital: false,
          tags: 0,
          role: 0,
        });
        next.lastIndex = close + 1;
      }
    } else if (raw === '\n' || raw === '!' || raw === '?') {
      finish(raw === '?');
    } else if (raw === '.') {
      if (endsSentence(text, end, tokens.at(-1))) finish(false);
    } else if (standsAlone(text, start, end)) {
      tokens.push(raw === '&' ? word('and', start, end, false) : mark(raw, start, end));
    }
  }
  finish(false);
  return sentences;
}

function isWordStart(code: number): boolean {
  return (
    (code >= 0x61 && code <= 0x7a) ||
    (code >= 0x41 && code <= 0x5a) ||
    (code >= 0x30 && code <= 0x39) ||
    code === 0x5f ||
    code > 0xbf
  );
}

function mark(low: string, start: number, end: number): Token {
  return { kind: 'mark', low, start, end, capital: false, tags: 0, role: 0 };
}

function pushWord(tokens: Token[], raw: string, start: number): void {
  const first = raw.charCodeAt(0);
  const end = start + raw.length;
  const low = raw.toLowerCase();
  if (first === 0x23 || first === 0x40) {
    const kind = first === 0x23 ? 'hashtag' : 'mention';
    tokens.push({ kind, low, start, end, capital: false, tags: 0, role: 0 });
    return;
  }
  if ((first >= 0x30 && first <= 0x39) || isCurrency(first)) {
    tokens.push({ kind: 'number', low, start, end, capital: false, tags: 0, role: 0 });
    return;
  }
  const capital = isCapital(raw, low);
  const known = CONTRACTIONS.get(low);
  if (known !== undefined) {
    const cut = known[0].length < raw.length ? start + known[0].length : end;
    tokens.push(word(known[0], start, cut, capital), word(known[1], cut, end, false));
    return;
  }
  const apostrophe = low.lastIndexOf("'");
  if (apostrophe > 0) {
    if (low.endsWith("n't")) {
      const cut = raw.length - 3;
      tokens.push(
        word(low.slice(0, cut), start, start + cut, capital),
        word('not', start + cut, end, false),
      );
      return;
    }
    const full = ENDINGS.get(low.slice(apostrophe));
    if (full !== undefined) {
      tokens.push(
        word(low.slice(0, apostrophe), start, start + apostrophe, capital),
        word(full, start + apostrophe, end, false),
      );
      return;
    }
  }
  tokens.push(word(low, start, end, capital));
}

function word(low: string, start: number, end: number, capital: boolean): Token {
  return { kind: 'word', low, start, end, capital, tags: tagsOf(low), role: roleOf(low) };
}

function isCapital(raw: string, low: string): boolean {
  const code = raw.charCodeAt(0);
  return code < 0x80 ? code >= 0x41 && code <= 0x5a : raw[0] !== low[0];
}

function isCurrency(code: number): boolean {
  return code === 0x24 || code === 0xa3 || code === 0xa5 || code === 0x20ac;
}

/** A full stop inside "node.js", "3.5" or after "Dr" ends nothing. */
function endsSentence(text: string, end: number, previous: Token | undefined): boolean {
  if (previous?.end === end - 1 && ABBREVIATIONS.has(previous.low)) {
    return end >= text.length;
  }
  const after = text.charCodeAt(end);
  return !(after >= 0x61 && after <= 0x7a) && !(after >= 0x30 && after <= 0x39);
}

/** The comma of "1,000", the colon of "3:07" and the slash of "and/or" are no marks. */
function standsAlone(text: string, start: number, end: number): boolean {
  const before = text.charCodeAt(start - 1);
  const after = text.charCodeAt(end);
  return (
    !(isDigitOrLower(before) && isDigitOrLower(after) && text[start] !== ',') &&
    !(text[start] === ',' && isDigit(before) && isDigit(after))
  );
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}

function isDigitOrLower(code: number): boolean {
  return isDigit(code) || (code >= 0x61 && code <= 0x7a);
}

/** The offset of the closing quote in the same line, or 0. */
function closingQuote(text: string, quote: string, start: number): number {
  const limit = Math.min(text.length, start + MAX_QUOTE);
  for (let at = start + 1; at < limit; at += 1) {
    if (text[at] === '\n') return 0;
    if (text[at] !== quote) continue;
    // An apostrophe inside a word closes nothing.
    if (quote === '"' || !isWordStart(text.charCodeAt(at + 1))) return at > start + 1 ? at : 0;
  }
  return 0;
}
