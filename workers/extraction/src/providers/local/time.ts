import { Tag } from './lexicon.ts';
import { dateAt, isTimeSpan, isWeekday } from './numbers.ts';
import type { Token } from './tokens.ts';
import { Role } from './words.ts';

const TIME_WORDS = new Set(
  `yesterday today tomorrow tonight now nowadays lately recently soon ago daily weekly monthly yearly
  twice together currently`
    .trim()
    .split(/\s+/),
);
const TIME_PREPOSITIONS = new Set(
  'in on at since for until till by during after before from around over'.split(' '),
);
const QUANTIFIERS = new Set(
  'the a an this that next last every each past all early late mid'.split(' '),
);

/** Whether a phrase of time starts here: "in March", "last year", "for three years". */
export function startsTime(tokens: readonly Token[], at: number): boolean {
  const token = tokens[at];
  if (token === undefined || token.kind === 'mark') return false;
  if (TIME_WORDS.has(token.low)) return true;
  if (token.kind === 'word' && TIME_PREPOSITIONS.has(token.low)) return isTime(tokens, at + 1);
  return (
    isTime(tokens, at) &&
    (token.kind === 'number' ||
      QUANTIFIERS.has(token.low) ||
      isWeekday(token.low) ||
      tokens[at + 2]?.low === 'ago')
  );
}

function isTime(tokens: readonly Token[], from: number): boolean {
  let at = from;
  while (QUANTIFIERS.has(tokens[at]?.low ?? '') && at - from < 2) at += 1;
  const token = tokens[at];
  if (token === undefined) return false;
  if (dateAt(tokens, at) !== undefined) return true;
  if (isTimeSpan(token.low)) return true;
  if (TIME_WORDS.has(token.low)) return true;
  const isCount =
    token.kind === 'number' ||
    (token.role & Role.determiner) !== 0 ||
    (token.tags & Tag.adjective) !== 0;
  return isCount && isTimeSpan(tokens[at + 1]?.low ?? '');
}
