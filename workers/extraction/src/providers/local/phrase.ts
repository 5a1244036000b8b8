import type { Token } from './tokens.ts';
import { Role } from './words.ts';

/** A text being read, with all that is needed to turn tokens back into self-contained words. */
export interface Reading {
  readonly text: string;
  /** The person who says "I", as written inside a sentence: "Ada", "the user". */
  readonly speaker: string;
}

/** Words of contractions, written in full. */
const FULL = new Set([
  "'s",
  'am',
  'are',
  'have',
  'will',
  "'d",
  'not',
  'do',
  'did',
  'does',
  'is',
  'was',
  'can',
]);

/** Turns tokens back into words, with the speaker in place of "I" and "my". */
export function phrase(
  reading: Reading,
  tokens: readonly Token[],
  from: number,
  to: number,
): string {
  let words = '';
  let end = -1;
  for (let at = from; at < to; at += 1) {
    const token = tokens[at];
    if (token === undefined) break;
    const raw = wordOf(reading, token);
    words += words === '' ? raw : between(reading, end, token, raw) + raw;
    end = token.end;
  }
  return words;
}

/** The text between two tokens: a blank, or the dot of "example.com". */
function between({ text }: Reading, end: number, token: Token, raw: string): string {
  if (raw === ',') return '';
  const gap = text.slice(end, token.start);
  const isAsWritten = raw === "'s" || text.startsWith(raw, token.start);
  return isAsWritten && gap.length <= 2 && !/\s/.test(gap) ? gap : ' ';
}

function wordOf({ text, speaker }: Reading, token: Token): string {
  if (token.kind === 'word') {
    switch (token.low) {
      case 'i':
      case 'me':
        return speaker;
      case 'my':
      case 'our':
        return possessive(speaker);
      case 'mine':
        return possessive(speaker);
      case 'us':
      case 'we':
        return `${speaker} and others`;
      case 'myself':
        return speaker;
      default:
    }
  }
  const raw = text.slice(token.start, token.end);
  if (token.kind === 'hashtag') return raw.slice(1);
  if ((token.role & Role.honorific) !== 0 && text.startsWith('. ', token.end)) return `${raw}.`;
  // The text has "n't" where the token says "not".
  return raw.includes("'") && FULL.has(token.low) && token.low !== "'s" ? token.low : raw;
}

export function possessive(name: string): string {
  return `${name}'s`;
}

export function capitalised(text: string): string {
  const [first = ''] = text;
  return first.toUpperCase() + text.slice(first.length);
}
