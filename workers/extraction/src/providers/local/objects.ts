import { Tag } from './lexicon.ts';
import { startsTime } from './time.ts';
import type { Token } from './tokens.ts';
import type { Agreement } from './verb-forms.ts';
import { Role } from './words.ts';

/** The part of a clause after its verbs. */
export interface ObjectRange {
  /** The end of the object itself; a phrase of time may follow. */
  readonly end: number;
  /** The end of the clause. */
  readonly clauseEnd: number;
}

const MAX_TOKENS = 30;

/** Finds the end of a clause and, within it, of the object. */
export function objectFrom(
  tokens: readonly Token[],
  from: number,
  agreement: Agreement,
): ObjectRange {
  const clauseEnd = clauseEndFrom(tokens, from, agreement);
  let end = clauseEnd;
  // "quit five years ago": there is only a time.
  if (startsTime(tokens, from)) return { end: clauseEnd, clauseEnd };
  for (let at = from + 1; at < clauseEnd; at += 1) {
    if (startsTime(tokens, at)) {
      end = at;
      break;
    }
  }
  return { end, clauseEnd };
}

function clauseEndFrom(tokens: readonly Token[], from: number, agreement: Agreement): number {
  const limit = Math.min(tokens.length, from + MAX_TOKENS);
  let at = from;
  while (at < limit) {
    const token = tokens[at];
    if (token === undefined) break;
    if (token.kind === 'mark') {
      if (token.low !== ',') return at;
      const next = listEnd(tokens, at, limit);
      if (next === undefined) return at;
      at = next;
      continue;
    }
    if (isBreak(tokens, at, agreement)) return at;
    at += 1;
  }
  return at === limit && at < tokens.length ? closedEnd(tokens, from, at) : at;
}

/** The cut must not be in the middle of a phrase. */
function closedEnd(tokens: readonly Token[], from: number, to: number): number {
  const open = Role.coordinator | Role.determiner | Role.preposition;
  let at = to;
  while (at > from + 1) {
    const last = tokens[at - 1];
    if (last?.kind !== 'mark' && ((last?.role ?? 0) & open) === 0) break;
    at -= 1;
  }
  return at;
}

/** Whether another clause starts here. */
function isBreak(tokens: readonly Token[], at: number, agreement: Agreement): boolean {
  const token = tokens[at];
  if (token === undefined) return true;
  if (token.low === 'and' || token.low === 'or' || token.low === 'but' || token.low === 'then') {
    return startsClause(tokens, at + 1, agreement) || token.low === 'but' || token.low === 'then';
  }
  if (/^(?:before|after|until)$/.test(token.low)) {
    return ((tokens[at + 1]?.role ?? 0) & Role.pronoun) !== 0;
  }
  if ((token.role & (Role.subordinate | Role.condition)) === 0) return false;
  // "since 2019" and "so much" start no clause.
  const next = tokens[at + 1];
  if ((token.low === 'how' || token.low === 'what') && next?.low === 'to') return false;
  if (token.low === 'since') return next !== undefined && (next.role & Role.pronoun) !== 0;
  if (token.low === 'so') return next === undefined || (next.role & Role.pronoun) !== 0;
  return token.low !== 'once';
}

function startsClause(tokens: readonly Token[], from: number, agreement: Agreement): boolean {
  let at = from;
  while (isAdverb(tokens[at])) at += 1;
  const token = tokens[at];
  if (token?.kind !== 'word') return false;
  if (token.low === 'not') return true;
  if ((token.role & Role.pronoun) !== 0) return true;
  if ((token.role & (Role.be | Role.auxiliary)) !== 0) return true;
  const next = tokens[at + 1];
  const isPast = (token.tags & Tag.past) !== 0 || (token.tags === 0 && token.low.endsWith('ed'));
  const isVerb =
    isPast || (token.tags & (agreement === 'third' ? Tag.present : Tag.infinitive)) !== 0;
  if (isVerb && (token.role & Role.relation) === 0) {
    const isNoun = (token.tags & (Tag.noun | Tag.adjective)) !== 0;
    const takesObject =
      next !== undefined &&
      next.kind !== 'mark' &&
      ((next.role & (Role.preposition | Role.determiner | Role.particle | Role.adverb)) !== 0 ||
        (next.tags & Tag.adverb) !== 0 ||
        next.low.endsWith('ly') ||
        next.kind === 'number' ||
        next.capital);
    return !isNoun || takesObject || at > from || (isPast && (token.tags & Tag.noun) === 0);
  }
  return hasOwnVerb(tokens, at);
}

function isAdverb(token: Token | undefined): boolean {
  const role = token?.role ?? 0;
  return (role & Role.adverb) !== 0 && (role & Role.determiner) === 0;
}

/** "and my sister lives", "and Ana is": a subject and its verb within a few words. */
function hasOwnVerb(tokens: readonly Token[], from: number): boolean {
  for (let at = from + 1; at < Math.min(tokens.length, from + 6); at += 1) {
    const token = tokens[at];
    if (token === undefined || token.kind === 'mark') return false;
    if ((token.role & (Role.coordinator | Role.subordinate | Role.preposition)) !== 0) return false;
    if ((token.role & (Role.be | Role.auxiliary)) !== 0) return true;
    const isNoun = (token.tags & (Tag.noun | Tag.adjective)) !== 0;
    if ((token.tags & (Tag.present | Tag.past)) !== 0 && !isNoun) return true;
  }
  return false;
}

/** The end of the list that a comma continues ("apples, pears and plums"), or undefined. */
function listEnd(tokens: readonly Token[], comma: number, limit: number): number | undefined {
  let at = comma + 1;
  if (tokens[at]?.low === 'and' || tokens[at]?.low === 'or') {
    return isItem(tokens, at + 1, limit) === undefined ? undefined : at + 1;
  }
  const end = isItem(tokens, at, limit);
  if (end === undefined) return undefined;
  // In a list, an "and" or another comma follows this item.
  const next = tokens[end];
  at = end;
  if (next?.low === ',') return listEnd(tokens, end, limit) === undefined ? undefined : at;
  return next?.low === 'and' || next?.low === 'or' ? at : undefined;
}

const MAX_ITEM = 4;

/** The index after a short item without a verb. */
function isItem(tokens: readonly Token[], from: number, limit: number): number | undefined {
  let at = from;
  while (at < limit && at - from <= MAX_ITEM) {
    const token = tokens[at];
    if (token === undefined || token.kind === 'mark' || token.low === 'and' || token.low === 'or') {
      break;
    }
    const closed =
      Role.pronoun | Role.subordinate | Role.be | Role.auxiliary | Role.condition | Role.adverb;
    if ((token.role & closed) !== 0) return undefined;
    const isVerb = (token.tags & (Tag.past | Tag.present)) !== 0;
    const next = tokens[at + 1];
    const isFollowed = next !== undefined && next.kind !== 'mark' && !/^(?:and|or)$/.test(next.low);
    // "hates early flights" continues with a verb, "plays and films" with a noun.
    if (at === from && (token.tags & Tag.present) !== 0 && isFollowed) return undefined;
    if (isVerb && (token.tags & (Tag.noun | Tag.adjective)) === 0) return undefined;
    at += 1;
  }
  return at === from || at - from > MAX_ITEM ? undefined : at;
}
