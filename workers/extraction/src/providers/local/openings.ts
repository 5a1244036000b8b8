import { Tag } from './lexicon.ts';
import { startsTime } from './time.ts';
import type { Token } from './tokens.ts';
import { Role } from './words.ts';

/** "If", "unless", "whether": such a sentence may not be true. */
export function isSupposition(tokens: readonly Token[]): boolean {
  return tokens.some(
    ({ low, kind }) =>
      kind === 'word' && /^(?:if|unless|whether|imagine|suppose|supposing|wish|wished)$/.test(low),
  );
}

export function skipOpeners(tokens: readonly Token[], from: number): number {
  let at = from;
  while (at < tokens.length) {
    const token = tokens[at];
    if (token === undefined) break;
    const isOpener = (token.role & (Role.opener | Role.coordinator)) !== 0;
    // "Today I …", "Last year we …": the time comes before the subject.
    if (token.kind !== 'mark' && token.kind !== 'quote' && !isOpener) {
      const behind = behindTime(tokens, at);
      if (behind === undefined) break;
      at = behind;
      continue;
    }
    at += 1;
  }
  return at;
}

/** The index after "Last year," or "In 2019" at the start of a clause, when a subject follows soon. */
function behindTime(tokens: readonly Token[], from: number): number | undefined {
  if (!startsTime(tokens, from)) return undefined;
  for (let at = from + 1; at < Math.min(tokens.length, from + 6); at += 1) {
    const token = tokens[at];
    if (token === undefined) return undefined;
    if (token.low === ',') return at + 1;
    if ((token.role & Role.be) !== 0) return undefined;
    if (/^(?:i|we|he|she|they|it|my|our)$/.test(token.low)) return at;
  }
  return undefined;
}

export function isQuestion(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (token === undefined || (token.role & Role.question) === 0) return false;
  const next = tokens[at + 1];
  if ((token.role & (Role.be | Role.auxiliary)) !== 0) {
    return (
      next === undefined ||
      (next.role & (Role.pronoun | Role.determiner)) !== 0 ||
      next.low === 'not'
    );
  }
  return token.kind === 'word' && /^(?:wh\w+|how)$/.test(token.low);
}

/** "Please call Bob", "Let me know", "Don't forget": somebody should do something. */
export function isRequest(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (token?.kind !== 'word') return true;
  if (/^(?:please|let|lets|let's)$/.test(token.low)) return true;
  if (token.low === 'do' && tokens[at + 1]?.low === 'not') return true;
  const isVerb = (token.tags & Tag.infinitive) !== 0 && token.role === 0;
  const next = tokens[at + 1];
  if (!isVerb || (token.tags & (Tag.given | Tag.surname | Tag.place)) !== 0) return false;
  const isNoun = (token.tags & (Tag.noun | Tag.past)) !== 0;
  return (
    !isNoun ||
    (next !== undefined && (next.role & Role.be) === 0 && (next.role & Role.determiner) !== 0)
  );
}

/** "Please remember that …", "Note that …": the rest is the statement to keep. */
export function behindReminder(tokens: readonly Token[], from: number): number {
  const at = tokens[from]?.low === 'please' ? from + 1 : from;
  if (!/^(?:remember|note|fyi|reminder|remind)$/.test(tokens[at]?.low ?? '')) return from;
  const next = tokens[at + 1]?.low ?? '';
  if (next === 'that' || next === ':') return at + 2;
  return /^(?:i|we|my|our|the|she|he)$/.test(next) ? at + 1 : from;
}
