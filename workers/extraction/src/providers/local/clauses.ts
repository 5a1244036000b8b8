import { Tag } from './lexicon.ts';
import { type Mentioned, mention, mentionNamed } from './mentioned.ts';
import type { Name } from './name.ts';
import { objectFrom } from './objects.ts';
import { behindReminder, isQuestion, isRequest, isSupposition, skipOpeners } from './openings.ts';
import type { Reading } from './phrase.ts';
import { factOf, type Found, relationFact } from './statement.ts';
import { type Subject, subjectAt } from './subjects.ts';
import type { Sentence, Token } from './tokens.ts';
import { isGerund } from './verb-forms.ts';
import { verbGroupAt, type VerbGroup } from './verbs.ts';
import { Role } from './words.ts';

const HEDGED = new Set(
  `think guess suppose believe bet feel know say said heard mean figure assume imagine hear noticed
  realized realised thought remember told`
    .trim()
    .split(/\s+/),
);

/** Reads the statements of one sentence, clause by clause, from left to right. */
export function readSentence(
  reading: Reading,
  sentence: Sentence,
  names: readonly Name[],
  mentioned: Mentioned,
): Found[] {
  const { tokens } = sentence;
  if (sentence.question || isSupposition(tokens)) {
    mentionNamed(reading, tokens, names, mentioned);
    return [];
  }
  const found: Found[] = [];
  const start = behindReminder(tokens, skipOpeners(tokens, 0));
  let at = start;
  if (isQuestion(tokens, at) || isRequest(tokens, at)) return [];
  let subject: Subject | undefined;
  let hedged = false;
  // Every iteration advances by at least one token, so the loop ends with the sentence.
  while (at < tokens.length) {
    const clauseStart = skipOpeners(tokens, at);
    const own = subjectAt(reading, tokens, names, clauseStart, mentioned);
    const verbAt = own?.end ?? clauseStart;
    if (own === undefined && isForeign(tokens[clauseStart])) subject = undefined;
    const current = own ?? subject ?? impliedSubject(reading, tokens, clauseStart, at === start);
    const verb = current === undefined ? undefined : verbGroupAt(tokens, verbAt, current.agreement);
    const isCarried = own === undefined && tokens[clauseStart - 1]?.kind === 'mark';
    if (current === undefined || verb === undefined || (isCarried && isNounLike(tokens, verb))) {
      if (own === undefined && clauseStart > 0) subject = undefined;
      at = nextClause(tokens, clauseStart);
      continue;
    }
    subject = current;
    if (own !== undefined) {
      if (own.relation !== undefined) found.push(relationFact(own.relation, verbAt));
      mention(mentioned, own);
    }
    const embedded = embeddedAt(tokens, verb);
    if (embedded !== undefined) {
      hedged = verb.first !== 'know' && verb.first !== 'remember';
      if (verb.negated) return found;
      subject = undefined;
      at = embedded;
      continue;
    }
    const range = objectFrom(tokens, verb.end, current.agreement);
    const made = factOf(reading, { tokens, names, subject: current, verb, range, hedged });
    if (made !== undefined) found.push(made);
    at = Math.max(range.clauseEnd, verb.end, clauseStart + 1);
    const next = tokens[at];
    if (next !== undefined && (next.role & Role.subordinate) !== 0) {
      subject = undefined;
      // "because my sister lives there" states something; "when I was there" does not by itself.
      at = /^(?:because|cause|cuz|since|although|though|while|whereas|so)$/.test(next.low)
        ? at + 1
        : nextClause(tokens, at + 1);
    }
    if (tokens[at]?.kind === 'mark') at += 1;
  }
  mentionNamed(reading, tokens, names, mentioned);
  return found;
}

/** Subjects whose statements mean nothing by themselves: "you", "they", "that". */
function isForeign(token: Token | undefined): boolean {
  return token !== undefined && (token.role & Role.pronoun) !== 0;
}

/** Notes omit the "I": "Met Ana in Lisbon." Only in the past tense: otherwise it is a request. */
function impliedSubject(
  reading: Reading,
  tokens: readonly Token[],
  at: number,
  isStart: boolean,
): Subject | undefined {
  const verbAt = (tokens[at]?.role ?? 0) & Role.adverb ? at + 1 : at;
  const token = tokens[verbAt];
  if (!isStart || token === undefined || (token.tags & Tag.past) === 0) return undefined;
  if (token.role !== 0 || (token.tags & Tag.infinitive) !== 0) return undefined;
  const next = tokens[verbAt + 1];
  const isVerb =
    next !== undefined &&
    ((next.role & (Role.determiner | Role.preposition)) !== 0 || isGerund(next));
  if ((token.tags & (Tag.adjective | Tag.noun)) !== 0 && !isVerb) return undefined;
  return { text: reading.speaker, agreement: 'first', end: at, isNamed: false, isPerson: false };
}

/** The start of the clause that somebody thinks or says, or undefined. */
function embeddedAt(tokens: readonly Token[], verb: VerbGroup): number | undefined {
  const isCertain =
    verb.copula && /^(?:sure|glad|happy|afraid|certain|aware)$/.test(tokens[verb.end]?.low ?? '');
  if (!HEDGED.has(verb.main) && !isCertain) return undefined;
  let at = isCertain ? verb.end + 1 : verb.end;
  const isThat = tokens[at]?.low === 'that';
  if (isThat) at += 1;
  const next = tokens[at];
  if (next === undefined) return undefined;
  const isClause =
    isThat || /^(?:i|we|he|she|they|it|you|my|the|there)$/.test(next.low) || next.capital;
  return isClause ? at : undefined;
}

function nextClause(tokens: readonly Token[], from: number): number {
  for (let at = from + 1; at < tokens.length; at += 1) {
    const token = tokens[at];
    if (token === undefined) break;
    if (token.kind === 'mark') return at + 1;
    const next = tokens[at + 1];
    const joins =
      token.low === 'and' || token.low === 'but' || token.low === 'because' || token.low === 'so';
    if (joins && next !== undefined && /^(?:i|we|he|she|my|our)$/.test(next.low)) return at + 1;
  }
  return tokens.length;
}

/** ", mostly science fiction": after a comma, a noun is not the verb of the subject before it. */
function isNounLike(tokens: readonly Token[], verb: VerbGroup): boolean {
  const token = tokens[verb.end - 1];
  return (
    verb.first === verb.main &&
    token !== undefined &&
    (token.tags === 0 || (token.tags & Tag.noun) !== 0) &&
    (token.tags & (Tag.present | Tag.past)) === 0
  );
}
