import { Tag, tagsOf } from './lexicon.ts';
import type { Token } from './tokens.ts';
import { Role } from './words.ts';

/** The form of the subject: its verb changes from "am" and "like" to "is" and "likes". */
export type Agreement = 'first' | 'plural' | 'third';

export function isBare(token: Token | undefined): boolean {
  return (
    token?.kind === 'word' &&
    ((token.tags & Tag.infinitive) !== 0 || token.low === 'have' || token.low === 'be')
  );
}

export function isParticiple(token: Token | undefined): boolean {
  return token?.kind === 'word' && isPast(token);
}

export function isGerund(token: Token | undefined): boolean {
  return (
    token?.kind === 'word' &&
    ((token.tags & Tag.gerund) !== 0 ||
      /^(?:trying|hoping|planning|going)$/.test(token.low) ||
      (token.tags === 0 && token.low.length > 5 && token.low.endsWith('ing')))
  );
}

export function isPast(token: Token): boolean {
  return (
    (token.tags & Tag.past) !== 0 ||
    (token.role === 0 && token.low.length > 4 && token.low.endsWith('ed') && !isNamed(token))
  );
}

function isNamed(token: Token): boolean {
  return (token.tags & (Tag.given | Tag.surname | Tag.place | Tag.noun)) !== 0;
}

/** "works"; also "rotates", which is only known as "rotate". */
export function isPresent(token: Token): boolean {
  if ((token.tags & Tag.present) !== 0) return true;
  const { low, role, capital } = token;
  if (role !== 0 || capital || !low.endsWith('s') || low.length < 4) return false;
  return ((tagsOf(low.slice(0, -1)) | tagsOf(low.slice(0, -2))) & Tag.infinitive) !== 0;
}

/** Whether a word can end a subject and start the predicate: "The team meets …". */
export function isFinite(token: Token): boolean {
  if (token.kind !== 'word') return false;
  if ((token.role & (Role.be | Role.auxiliary)) !== 0) return true;
  return isPresent(token) || (isPast(token) && (token.tags & Tag.adjective) === 0);
}

/** "quit" and "put" are past tense when "ago" or "yesterday" follows. */
export function tellsOfThePast(tokens: readonly Token[], at: number): boolean {
  return tokens.slice(at, at + 10).some(({ low }) => /^(?:ago|yesterday|last)$/.test(low));
}

export function finiteOf(token: Token, agreement: Agreement): string {
  const { low } = token;
  if (agreement !== 'first') return low;
  if ((token.tags & Tag.infinitive) === 0 && (isPast(token) || (token.tags & Tag.present) !== 0)) {
    return low;
  }
  return thirdPerson(low);
}

/** "work" → "works", "study" → "studies". */
function thirdPerson(verb: string): string {
  if (/(?:s|x|z|ch|sh|o)$/.test(verb)) return `${verb}es`;
  if (/[^aeiou]y$/.test(verb)) return `${verb.slice(0, -1)}ies`;
  return `${verb}s`;
}
