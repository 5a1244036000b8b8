import type { ExtractedFact } from '@memfleet/events';
import { cleanText } from '../../text.ts';
import { Tag } from './lexicon.ts';
import type { Name } from './name.ts';
import type { ObjectRange } from './objects.ts';
import { capitalised, phrase, possessive, type Reading } from './phrase.ts';
import { isSmallTalk } from './small-talk.ts';
import type { Subject } from './subjects.ts';
import { startsTime } from './time.ts';
import type { Token } from './tokens.ts';
import type { VerbGroup } from './verbs.ts';
import { Role } from './words.ts';

/** The parts of a clause. */
export interface Clause {
  readonly tokens: readonly Token[];
  readonly names: readonly Name[];
  readonly subject: Subject;
  readonly verb: VerbGroup;
  readonly range: ObjectRange;
  /** "I think …": a belief, not knowledge. */
  readonly hedged: boolean;
}

/** A fact, and the tokens of its object, from which topics are read. */
export interface Found {
  readonly fact: ExtractedFact;
  readonly verb: VerbGroup;
  readonly from: number;
  readonly to: number;
}

/** "Ana is Ada's sister", implied by "my sister Ana". */
export function relationFact(
  { name, of, kind }: NonNullable<Subject['relation']>,
  at: number,
): Found {
  const object = `${possessive(of)} ${kind}`;
  const fact = bounded({ subject: name, predicate: 'is', object, rest: object, confidence: 0.9 });
  const verb = {
    words: ['is'],
    main: 'be',
    first: 'be',
    copula: true,
    negated: false,
    doubtful: false,
    unreal: false,
    end: at,
  };
  return { fact, verb, from: at, to: at };
}

const MAX_ADDED = 3;

export function factOf(
  reading: Reading,
  { tokens, names, subject, verb, range, hedged }: Clause,
): Found | undefined {
  const { end, clauseEnd } = range;
  if (verb.unreal || isSmallTalk(subject, verb, tokens, clauseEnd)) return undefined;
  if (!standsByItself(tokens, verb.end, clauseEnd, isThird(subject))) return undefined;
  const words = [...verb.words];
  let from = verb.end;
  // "is allergic to", "moved to", "grew up in": the linking words belong to the predicate.
  for (let added = 0; added < MAX_ADDED && from + 1 < clauseEnd; added += 1) {
    const token = tokens[from];
    if (token === undefined || !isLinking(tokens, from, verb, clauseEnd)) break;
    // "wakes up" + "at 6am", but "retired in" + "March".
    if (added > 0 && startsTime(tokens, from)) break;
    words.push(phrase(reading, tokens, from, from + 1));
    from += 1;
    if ((token.role & Role.preposition) !== 0 && (token.role & Role.particle) === 0) break;
  }
  const isBare = from >= clauseEnd;
  if (isBare && (verb.copula || isCutOff(tokens[clauseEnd]))) return undefined;
  const said = isBare ? undefined : phrase(reading, tokens, from, clauseEnd);
  const last = words.at(-1) ?? '';
  const objectEnd = nameEnd(tokens, names, from) ?? (end > from ? end : clauseEnd);
  const object = said === undefined ? last : phrase(reading, tokens, from, objectEnd);
  if (object === reading.speaker) return undefined;
  // "does not" + "smoke", "does" + "smoke": no part may be empty.
  const predicate = said === undefined ? words.slice(0, -1).join(' ') || 'does' : words.join(' ');
  const rest = said === undefined ? words.join(' ') : `${words.join(' ')} ${said}`;
  const fact = bounded({
    subject: capitalised(subject.text),
    predicate,
    object,
    rest,
    confidence: confidenceOf(subject, verb, hedged, clauseEnd - from),
    isWhole: true,
  });
  return { fact, verb, from, to: Math.max(end, from) };
}

/** "I like what …", "I know how …": the object is a clause, which is not read. */
function isCutOff(next: Token | undefined): boolean {
  return next !== undefined && /^(?:what|how|that|where|who|why|which|when)$/.test(next.low);
}

/** The end of an object that is a name: "Siemens as a nurse" is Siemens. */
function nameEnd(
  tokens: readonly Token[],
  names: readonly Name[],
  from: number,
): number | undefined {
  const name = names.find((other) => other.from === from);
  const next = name === undefined ? undefined : tokens[name.to];
  const isSeparate = next !== undefined && (next.role & Role.preposition) !== 0;
  return isSeparate && name?.type !== 'quantity' ? name?.to : undefined;
}

/** Whether a word after the verb belongs to the predicate. */
function isLinking(
  tokens: readonly Token[],
  at: number,
  verb: VerbGroup,
  clauseEnd: number,
): boolean {
  const token = tokens[at];
  const next = tokens[at + 1];
  if (token?.kind !== 'word' || next === undefined) return false;
  if (token.low === 'about' && next.kind === 'number') return false;
  const isPurpose = token.low === 'to' && (next.tags & Tag.infinitive) !== 0 && !next.capital;
  if (isPurpose && verb.copula && at === verb.end) return false;
  if ((token.role & (Role.preposition | Role.particle)) !== 0) {
    return token.low !== 'as' || verb.copula || verb.main.startsWith('work');
  }
  if (!verb.copula) return false;
  // "allergic to", "married to", "afraid of", but not "a friend of".
  const isState = (token.tags & (Tag.adjective | Tag.past)) !== 0 || token.tags === 0;
  return (
    isState &&
    !token.capital &&
    at + 2 < clauseEnd + 1 &&
    (next.role & Role.preposition) !== 0 &&
    (token.role & Role.determiner) === 0 &&
    token.low !== 'a'
  );
}

const OPEN = new Set(
  'you your yours u ya yourself them they their him he she it its her his'.split(' '),
);

const KIN = Role.relation | Role.pet | Role.female | Role.male;
const OWN = new Set(['her', 'his', 'its', 'their']);

/** Neither the speaker nor a group: "her" and "his" then mean the subject itself. */
function isThird(subject: Subject): boolean {
  return subject.agreement === 'third';
}

/** Whether no word refers to something outside the statement. */
function standsByItself(
  tokens: readonly Token[],
  from: number,
  to: number,
  ofThird: boolean,
): boolean {
  for (let at = from; at < to; at += 1) {
    const token = tokens[at];
    if (token?.kind !== 'word') continue;
    const next = tokens[at + 1];
    // "Emma moved in with her partner": hers.
    const isOwn = ofThird && at + 1 < to && next?.kind === 'word' && (next.role & ~KIN) === 0;
    if (OPEN.has(token.low) && !(isOwn && OWN.has(token.low))) return false;
    const isLast = at + 1 >= to || next === undefined || next.kind === 'mark' || next.role !== 0;
    if (/^(?:this|that|these|those)$/.test(token.low)) {
      if (isLast || !startsTime(tokens, at)) return false;
    }
    if (/^(?:there|here|one|ones|so|too|such)$/.test(token.low) && isLast && token.low !== 'too') {
      return false;
    }
  }
  return true;
}

function confidenceOf(subject: Subject, verb: VerbGroup, hedged: boolean, length: number): number {
  let confidence = subject.isNamed ? 0.85 : 0.7;
  if (length > 14) confidence -= 0.15;
  if (verb.words.includes('would') || verb.words.includes('will')) confidence -= 0.1;
  if (hedged) confidence = Math.min(confidence, 0.5);
  if (verb.doubtful) confidence = Math.min(confidence, 0.4);
  return Math.round(confidence * 100) / 100;
}

function bounded(said: {
  readonly subject: string;
  readonly predicate: string;
  readonly object: string;
  readonly rest: string;
  readonly confidence: number;
  readonly isWhole?: boolean;
}): ExtractedFact {
  const { subject, predicate, object, rest, confidence } = said;
  const text = said.isWhole === true ? `${subject} ${rest}.` : `${subject} ${predicate} ${rest}.`;
  return {
    text: cleanText(capitalised(text), 2_000),
    subject: cleanText(subject, 256),
    predicate: cleanText(predicate, 256),
    object: cleanText(object, 1_000),
    confidence,
  };
}
