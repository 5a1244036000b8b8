import { Tag } from './lexicon.ts';
import type { Name } from './name.ts';
import type { Token } from './tokens.ts';
import { Role } from './words.ts';

const set = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/));
const MONTHS = set(
  'january february march april may june july august september october november december',
);
const WEEKDAYS = set('monday tuesday wednesday thursday friday saturday sunday');
const RELATIVE = set('last next this every past coming');
const SPANS = set(
  `week month year weekend summer winter spring autumn fall quarter semester decade morning evening
  afternoon night day`,
);
const UNITS = set(
  `mg km kilometers kilometres miles mile m meters metres cm kg kilos pounds lbs g grams liters litres ml
  euros dollars bucks pounds percent degrees hours hour minutes minute days day weeks week months
  month years year seconds people kids children cats dogs brothers sisters siblings sons daughters
  gb tb mb times pages cups calories steps`,
);
const NUMBER_WORDS = set(
  `one two three four five six seven eight nine ten eleven twelve fifteen twenty thirty forty fifty
  hundred thousand couple`,
);
const CLOCK = /^\d{1,2}(?::\d{2})?(?:am|pm)$/;
const DAY = /^(?:[12]?\d|3[01])(?:st|nd|rd|th)?$/;
const YEAR = /^(?:19|20)\d\d$/;
const ISO_DATE = /^(?:19|20)\d\d-\d\d-\d\d$/;

export function isWeekday(low: string): boolean {
  return WEEKDAYS.has(low) || (low.endsWith('s') && WEEKDAYS.has(low.slice(0, -1)));
}

function isMonth(token: Token | undefined): boolean {
  return token !== undefined && token.capital && MONTHS.has(token.low);
}

export function isTimeSpan(low: string): boolean {
  return SPANS.has(low) || (low.endsWith('s') && SPANS.has(low.slice(0, -1)));
}

/** "12 March 2024", "March 12", "next Friday", "2024-03-12", "in 2019", "3pm". */
export function dateAt(tokens: readonly Token[], at: number): Name | undefined {
  const token = tokens[at];
  if (token === undefined) return undefined;
  const next = tokens[at + 1];
  const to = endOfDate(tokens, at, token, next);
  return to === undefined ? undefined : { from: at, to, type: 'date' };
}

function endOfDate(
  tokens: readonly Token[],
  at: number,
  token: Token,
  next: Token | undefined,
): number | undefined {
  if (token.kind === 'number') {
    if (ISO_DATE.test(token.low) || CLOCK.test(token.low)) return at + 1;
    if (DAY.test(token.low)) {
      if (isMonth(next)) return YEAR.test(tokens[at + 2]?.low ?? '') ? at + 3 : at + 2;
      if (next?.low === 'am' || next?.low === 'pm') return at + 2;
    }
    return YEAR.test(token.low) && isYear(tokens[at - 1], next) ? at + 1 : undefined;
  }
  if (token.kind !== 'word') return undefined;
  if (RELATIVE.has(token.low) && next !== undefined) {
    const isDate = isWeekday(next.low) || isTimeSpan(next.low) || isMonth(next);
    return isDate && token.low !== 'every' ? at + 2 : undefined;
  }
  if (isWeekday(token.low)) return at + 1;
  if (!isMonth(token)) return undefined;
  let to = at + 1;
  if (tokens[to]?.kind === 'number' && DAY.test(tokens[to]?.low ?? '')) to += 1;
  if (tokens[to]?.low === ',' && YEAR.test(tokens[to + 1]?.low ?? '') && to > at + 1) to += 1;
  if (YEAR.test(tokens[to]?.low ?? '')) to += 1;
  // "May" and "March" alone at the start are ordinary words.
  const before = tokens[at - 1];
  const isSure = to > at + 1 || (before?.kind === 'word' && at > 0);
  return isSure || (token.low !== 'may' && token.low !== 'march') ? to : undefined;
}

function isYear(before: Token | undefined, next: Token | undefined): boolean {
  return (
    before !== undefined &&
    /^(?:in|since|from|until|till|by|of|around|before|after|during|early|late|mid|year|and|to|,)$/.test(
      before.low,
    ) &&
    !(next !== undefined && UNITS.has(next.low))
  );
}

/** "3 kids", "$500", "20%", "two brothers". */
export function quantityAt(tokens: readonly Token[], at: number): Name | undefined {
  const token = tokens[at];
  if (token === undefined) return undefined;
  const next = tokens[at + 1];
  const isCounted = next?.kind === 'word' && (UNITS.has(next.low) || isPluralNoun(next));
  if (token.kind === 'number') {
    if (/^[$€£¥]\d/.test(token.low)) {
      const isScaled = next !== undefined && /^(?:million|billion|thousand|k)$/.test(next.low);
      return { from: at, to: isScaled ? at + 2 : at + 1, type: 'quantity' };
    }
    if (token.low.endsWith('%')) return { from: at, to: at + 1, type: 'quantity' };
    if (/^\d+(?:km|kg|cm|mb|gb|tb|k|m)$/.test(token.low)) {
      return { from: at, to: at + 1, type: 'quantity' };
    }
    return isCounted ? { from: at, to: at + 2, type: 'quantity' } : undefined;
  }
  const isWord = token.kind === 'word' && NUMBER_WORDS.has(token.low) && token.low !== 'one';
  return isWord && isCounted ? { from: at, to: at + 2, type: 'quantity' } : undefined;
}

function isPluralNoun(token: Token): boolean {
  return (
    !token.capital &&
    (token.role & ~(Role.relation | Role.pet)) === 0 &&
    ((token.tags & Tag.plural) !== 0 ||
      (token.tags === 0 && token.low.length > 3 && token.low.endsWith('s')))
  );
}
