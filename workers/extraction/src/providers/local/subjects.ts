import { agreementAt, isBareAfterPlural } from './agreement.ts';
import { Tag } from './lexicon.ts';
import { genderOf, type Mentioned } from './mentioned.ts';
import type { Name } from './name.ts';
import { phrase, possessive, type Reading } from './phrase.ts';
import type { Token } from './tokens.ts';
import { type Agreement, isFinite, isGerund } from './verb-forms.ts';
import { Role } from './words.ts';

export interface Subject {
  /** The text as written inside a sentence. */
  readonly text: string;
  readonly agreement: Agreement;
  /** Index behind it. */
  readonly end: number;
  /** A name or the speaker: more certain than a described thing. */
  readonly isNamed: boolean;
  /** Its relation to the speaker, if stated: "sister". */
  readonly relation?: { readonly name: string; readonly of: string; readonly kind: string };
  readonly gender?: 'female' | 'male' | undefined;
  readonly isPerson: boolean;
}

const MAX_SUBJECT = 8;

/** The subject that starts at a token; undefined if there is none with a meaning by itself. */
export function subjectAt(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  at: number,
  mentioned: Mentioned,
): Subject | undefined {
  const token = tokens[at];
  if (token === undefined) return undefined;
  const name = names.find(({ from }) => from === at);
  if (name !== undefined && name.type !== 'date' && name.type !== 'quantity') {
    return namedAt(reading, tokens, names, name);
  }
  if (token.kind !== 'word') return undefined;
  switch (token.low) {
    case 'i':
      return withAnother(reading, tokens, names, {
        text: reading.speaker,
        agreement: 'first',
        end: at + 1,
        isNamed: true,
        isPerson: false,
      });
    case 'we':
      return {
        text: `${reading.speaker} and others`,
        agreement: 'plural',
        end: at + 1,
        isNamed: true,
        isPerson: false,
      };
    case 'she':
    case 'he':
    case 'it': {
      const key = token.low === 'she' ? 'female' : token.low === 'he' ? 'male' : 'thing';
      const text = mentioned[key];
      if (text === undefined) return undefined;
      return { text, agreement: 'third', end: at + 1, isNamed: key !== 'thing', isPerson: false };
    }
    case 'my':
    case 'our':
      return ownedAt(reading, tokens, names, at, reading.speaker);
    case 'her':
    case 'his': {
      const owner = token.low === 'her' ? mentioned.female : mentioned.male;
      return owner === undefined ? undefined : ownedAt(reading, tokens, names, at, owner);
    }
    default:
      return describedAt(reading, tokens, names, at);
  }
}

function namedAt(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  name: Name,
): Subject | undefined {
  const text = phrase(reading, tokens, name.from, name.to);
  const isPerson = name.type === 'person';
  const next = tokens[name.to];
  const described = describedAs(reading, tokens, name);
  if (described !== undefined) return described;
  if (next?.low === "'s" && isOwned(tokens, name.to + 1)) {
    return ownedAt(reading, tokens, names, name.to, text);
  }
  return withAnother(reading, tokens, names, {
    text,
    agreement: 'third',
    end: name.to,
    isNamed: true,
    isPerson,
    gender: genderOf(tokens[name.from]),
  });
}

/** "Nina, my neighbour, feeds …". */
function describedAs(reading: Reading, tokens: readonly Token[], name: Name): Subject | undefined {
  const [comma, my, kind, end] = tokens.slice(name.to, name.to + 4);
  const isRelation = kind !== undefined && (kind.role & Role.relation) !== 0;
  if (comma?.low !== ',' || my?.low !== 'my' || !isRelation || end?.low !== ',') return undefined;
  const text = phrase(reading, tokens, name.from, name.to);
  return {
    text,
    agreement: 'third',
    end: name.to + 4,
    isNamed: true,
    isPerson: true,
    relation: { name: text, of: reading.speaker, kind: kind.low },
    gender: genderOf(kind) ?? genderOf(tokens[name.from]),
  };
}

/** After "Ana's": something she has, rather than something she is or does. */
function isOwned(tokens: readonly Token[], at: number): boolean {
  const next = tokens[at];
  if (next?.kind !== 'word') return false;
  const other = Role.determiner | Role.adverb | Role.preposition | Role.pronoun | Role.be;
  if ((next.role & other) !== 0 || next.low === 'not') return false;
  if ((next.role & (Role.relation | Role.pet)) !== 0 || (next.tags & Tag.noun) !== 0) return true;
  const after = tokens[at + 1];
  if (isGerund(next)) return false;
  if (after !== undefined && isFinite(after)) return true;
  return (next.tags & Tag.adjective) !== 0 && after !== undefined && (after.tags & Tag.noun) !== 0;
}

/** "Ana and Ben", "Ana and I": more than one. */
function withAnother(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  first: Subject,
): Subject {
  if (tokens[first.end]?.low !== 'and') return first;
  const at = first.end + 1;
  const name = names.find(({ from }) => from === at);
  let text: string | undefined;
  let end = at + 1;
  if (tokens[at]?.low === 'i' || tokens[at]?.low === 'me') text = reading.speaker;
  else if (name !== undefined && name.type !== 'date' && name.type !== 'quantity') {
    text = phrase(reading, tokens, name.from, name.to);
    end = name.to;
  } else if (tokens[at]?.low === 'my' && tokens[at + 1]?.kind === 'word') {
    end = at + 2;
    text = phrase(reading, tokens, at, end);
  }
  const verb = tokens[end];
  if (text === undefined || verb === undefined || !mayFollow(verb)) return first;
  const isSpeaker = text === reading.speaker;
  return {
    text: isSpeaker ? `${text} and ${first.text}` : `${first.text} and ${text}`,
    agreement: 'plural',
    end,
    isNamed: true,
    isPerson: false,
  };
}

function mayFollow(verb: Token): boolean {
  return isFinite(verb) || (verb.tags & Tag.infinitive) !== 0 || (verb.role & Role.adverb) !== 0;
}

/** "my sister Ana", "my favourite food", "Ana's brother": `at` is the owner's token. */
function ownedAt(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  at: number,
  owner: string,
): Subject | undefined {
  let end = at + 1;
  let kind: Token | undefined;
  while (end < tokens.length && end - at <= MAX_SUBJECT) {
    const token = tokens[end];
    if (token === undefined || !isPart(tokens, end, end === at + 1)) break;
    if ((token.role & (Role.relation | Role.pet)) !== 0) {
      kind = token;
      end += 1;
      break;
    }
    end += 1;
  }
  if (end === at + 1) return undefined;
  const whole = `${possessive(owner)} ${phrase(reading, tokens, at + 1, end)}`;
  const gender = genderOf(kind);
  const base = {
    agreement: agreementAt(tokens, end),
    isNamed: true,
    gender,
    isPerson: kind !== undefined,
  };
  if (kind === undefined) return { ...base, text: whole, end, isPerson: false };
  // "My sister Ana is", "My sister, Ana, is".
  const hasComma = tokens[end]?.low === ',';
  const name = names.find(({ from }) => from === (hasComma ? end + 1 : end));
  if (name !== undefined && (!hasComma || tokens[name.to]?.low === ',') && name.type !== 'date') {
    const text = phrase(reading, tokens, name.from, name.to);
    return {
      ...base,
      text,
      end: hasComma ? name.to + 1 : name.to,
      relation: { name: text, of: owner, kind: phrase(reading, tokens, at + 1, end) },
      gender: gender ?? genderOf(tokens[name.from]),
    };
  }
  if (tokens[end]?.low === "'s" && isOwned(tokens, end + 1)) {
    return ownedAt(reading, tokens, names, end, whole);
  }
  return withAnother(reading, tokens, names, { ...base, text: whole, end });
}

/** A word that can be inside a description. */
function isPart(tokens: readonly Token[], at: number, isFirst: boolean): boolean {
  const token = tokens[at];
  if (token === undefined || (token.kind !== 'word' && token.kind !== 'number')) return false;
  const breaks =
    Role.subordinate | Role.pronoun | Role.coordinator | Role.condition | Role.be | Role.auxiliary;
  if ((token.role & breaks) !== 0 || token.low === 'not' || token.low === "'s") return false;
  if ((token.role & Role.adverb) !== 0 && (token.tags & (Tag.adjective | Tag.noun)) === 0) {
    return false;
  }
  if (isFirst) return true;
  if (isBareAfterPlural(tokens, at)) return false;
  // "plans" is a noun before "are" and a verb otherwise.
  const next = tokens[at + 1];
  const isBeforeBe = next !== undefined && (next.role & (Role.be | Role.auxiliary)) !== 0;
  return !isFinite(token) || (isBeforeBe && (token.tags & Tag.noun) !== 0);
}

const PERSONAL = new Set(
  'you your u ya they them their its there here this that these those'.split(' '),
);
const MAKES_LITTLE_SENSE = new Set(
  `way thing things point problem question answer reason idea best worst only same other first second
  last one next rest whole most more`
    .trim()
    .split(/\s+/),
);

/** "The deadline for the report", "Dogs": a described thing, up to its verb. */
function describedAt(
  reading: Reading,
  tokens: readonly Token[],
  names: readonly Name[],
  at: number,
): Subject | undefined {
  const first = tokens[at];
  if (first === undefined || PERSONAL.has(first.low)) return undefined;
  const hasArticle = first.low === 'the' || first.low === 'a' || first.low === 'an';
  const isNoun = (first.tags & Tag.noun) !== 0 && first.role === 0;
  if (!hasArticle && !isNoun && first.low !== 'no' && (first.role & Role.relation) === 0) {
    return undefined;
  }
  let end = at + 1;
  while (end < tokens.length && end - at <= MAX_SUBJECT) {
    const token = tokens[end];
    if (token === undefined || PERSONAL.has(token.low)) return undefined;
    if (!isPart(tokens, end, hasArticle && end === at + 1)) break;
    end += 1;
  }
  const head = tokens[hasArticle ? at + 1 : at];
  if (hasArticle && (end === at + 1 || (head !== undefined && MAKES_LITTLE_SENSE.has(head.low)))) {
    return undefined;
  }
  const verb = tokens[end];
  if (verb?.low === "'s" && isOwned(tokens, end + 1)) {
    return ownedAt(reading, tokens, names, end, phrase(reading, tokens, at, end));
  }
  if (verb === undefined || !(isFinite(verb) || isBareAfterPlural(tokens, end))) return undefined;
  const text = phrase(reading, tokens, at, end);
  return {
    text: hasArticle
      ? `${first.low} ${text.slice(first.low.length + 1)}`
      : uncapitalised(text, first),
    agreement: agreementAt(tokens, end),
    end,
    isNamed: false,
    isPerson: false,
  };
}

function uncapitalised(text: string, first: Token): string {
  return (first.tags & (Tag.given | Tag.surname | Tag.place)) !== 0
    ? text
    : text.slice(0, 1).toLowerCase() + text.slice(1);
}
