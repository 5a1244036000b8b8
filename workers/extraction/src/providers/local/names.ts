import { phraseTagsOf, Tag } from './lexicon.ts';
import type { EntityType, Name } from './name.ts';
import { dateAt, quantityAt } from './numbers.ts';
import type { Sentence, Token } from './tokens.ts';
import { Role } from './words.ts';

const set = (list: string): ReadonlySet<string> => new Set(list.trim().split(/\s+/));
const ORGANIZATION_ENDS = set(
  `inc corp corporation ltd llc gmbh ag co company university college school hospital bank institute
  foundation group labs studio studios agency academy church club airlines museum council ministry`,
);
const PLACE_ENDS = set(
  `street avenue road square park river lake mountain mountains island islands bay beach valley
  airport station county province district bridge castle harbour harbor coast desert`,
);
const EVENT_ENDS = set(
  `conference festival marathon summit olympics championship day week wedding expo fair con cup`,
);
const EVENTS = set('christmas easter thanksgiving halloween hanukkah ramadan eid diwali carnival');
const PRODUCTS = set(
  `iphone ipad macbook android windows linux excel photoshop figma slack notion github gitlab docker
  kubernetes postgresql postgres mysql redis mongodb python javascript typescript java rust golang
  react vue angular nodejs node.js whatsapp instagram youtube minecraft fortnite playstation xbox
  nintendo chatgpt kindle alexa gmail outlook jira terraform kafka nats`,
);
const LANGUAGES = set(
  `english spanish french german italian portuguese russian chinese mandarin cantonese japanese korean
  arabic hindi turkish dutch polish swedish greek hebrew latin danish norwegian finnish czech`,
);
const HUMAN_VERBS = set(
  `works lives likes loves hates said told moved has had is was wants plays studies studied teaches
  prefers met called asked thinks visited married speaks drives came went needs graduated
  leads manages reports takes writes sings dances cooks paints feeds owns`,
);
const LINKS = set('of de van von da del la le der di bin al & the');
const WORK =
  /^(?:work|works|worked|working|job|intern|interned|interning|joined|join|hired|employed|ceo|cto|founder|manager|engineer|quit|left)$/;
const PLACE_VERBS =
  /^(?:live|lives|lived|living|move|moved|moving|moves|from|trip|travel|travelled|traveled|fly|flew|flying|born|based|visit|visited|visiting|vacation|stay|stayed|grew|raised|relocate|relocated|relocating|drive|drove|went|go|going|arrived|office)$/;

/** Everything a sentence names, from left to right, without overlaps. */
export function findNames(sentence: Sentence): Name[] {
  const { tokens } = sentence;
  const names: Name[] = [];
  const shouting = isShouting(tokens);
  let at = 0;
  while (at < tokens.length) {
    const name =
      dateAt(tokens, at) ??
      quantityAt(tokens, at) ??
      properAt(tokens, at, shouting) ??
      tagAt(tokens, at);
    if (name === undefined) {
      at += 1;
    } else {
      names.push(sameAsNeighbour(tokens, names.at(-1), name));
      at = name.to;
    }
  }
  return names.map((name, index) => sameAsNext(tokens, name, names[index + 1]));
}

/** "Rome and Florence": an unknown name gets the type of its neighbour. */
function sameAsNeighbour(tokens: readonly Token[], before: Name | undefined, name: Name): Name {
  if (name.type !== 'other' || before === undefined || before.to !== name.from - 1) return name;
  const link = tokens[before.to]?.low ?? '';
  const isBeside = link === 'and' || link === 'or' || link === ',';
  const isNamed =
    before.type === 'place' || before.type === 'person' || before.type === 'organization';
  return isBeside && isNamed ? { ...name, type: before.type } : name;
}

/** "Leo and Hana", where only the second is known. */
function sameAsNext(tokens: readonly Token[], name: Name, next: Name | undefined): Name {
  if (name.type !== 'other' || next?.type !== 'person' || next.from !== name.to + 1) return name;
  return tokens[name.to]?.low === 'and' ? { ...name, type: 'person' } : name;
}

function isShouting(tokens: readonly Token[]): boolean {
  let capitals = 0;
  let words = 0;
  for (const token of tokens) {
    if (token.kind !== 'word') continue;
    words += 1;
    if (token.capital) capitals += 1;
  }
  return words > 3 && capitals * 3 > words * 2;
}

function tagAt(tokens: readonly Token[], at: number): Name | undefined {
  const token = tokens[at];
  if (token?.kind === 'hashtag') return { from: at, to: at + 1, type: 'topic' };
  if (token?.kind === 'mention') return { from: at, to: at + 1, type: 'person' };
  return undefined;
}

const NAMING = Tag.given | Tag.surname | Tag.place | Tag.organization | Tag.demonym;

function properAt(tokens: readonly Token[], at: number, shouting: boolean): Name | undefined {
  const token = tokens[at];
  if (token?.kind !== 'word') return undefined;
  if (!token.capital) {
    return PRODUCTS.has(token.low) ? { from: at, to: at + 1, type: 'product' } : undefined;
  }
  if (token.low === 'i' || token.low.length < 2) return undefined;
  const isHonorific = (token.role & Role.honorific) !== 0 && tokens[at + 1]?.capital === true;
  if (!isHonorific && !mayStart(tokens, at, shouting)) return undefined;
  const to = endOfName(tokens, at, shouting);
  return { from: at, to, type: typeOf(tokens, at, to) };
}

/** Roles by which memories name people. */
const ROLES = set('user assistant speaker customer client agent human bot ai patient');
const COMMON =
  Tag.infinitive | Tag.present | Tag.past | Tag.gerund | Tag.adjective | Tag.adverb | Tag.function;

/** At the start of a sentence a capital means nothing; the word itself must be a name. */
function mayStart(tokens: readonly Token[], at: number, shouting: boolean): boolean {
  const token = tokens[at];
  if (token !== undefined && ROLES.has(token.low)) return false;
  if (token === undefined || (token.role & ~(Role.relation | Role.female | Role.male)) !== 0) {
    return false;
  }
  const known = (token.tags & NAMING) !== 0 || isListed(token.low);
  const isFirst = at === 0 || tokens[at - 1]?.kind === 'mark' || tokens[at - 1]?.kind === 'quote';
  if (!isFirst && !shouting) return token.role === 0 || known;
  if (shouting) return (token.tags & (Tag.place | Tag.organization)) !== 0 || isListed(token.low);
  const next = tokens[at + 1];
  if (known) {
    // "Will you", "Mark the date": a name only where a name can stand.
    const isVerb = (token.tags & (Tag.infinitive | Tag.function | Tag.adverb)) !== 0;
    return !isVerb || isListed(token.low) || followsName(next);
  }
  if (next?.low === "'s" && (token.tags & COMMON) === 0) return true;
  if (token.tags === 0) return followsName(next) || next?.capital === true;
  return next?.capital === true && next.role === 0 && at > 0;
}

function followsName(next: Token | undefined): boolean {
  return (
    next !== undefined &&
    (next.low === "'s" ||
      (next.role & Role.auxiliary) !== 0 ||
      (next.role & Role.be) !== 0 ||
      (next.tags & Tag.present) !== 0 ||
      HUMAN_VERBS.has(next.low))
  );
}

function isListed(low: string): boolean {
  return PRODUCTS.has(low) || EVENTS.has(low) || LANGUAGES.has(low);
}

const MAX_NAME = 6;

function endOfName(tokens: readonly Token[], from: number, shouting: boolean): number {
  let to = from + 1;
  if (shouting) return to;
  while (to < tokens.length && to - from < MAX_NAME) {
    const token = tokens[to];
    if (token === undefined) break;
    const isNext = token.kind === 'word' && token.capital && token.low !== 'i';
    if (isNext && (token.role & (Role.pronoun | Role.subordinate | Role.determiner)) === 0) {
      to += 1;
    } else if (isLink(tokens, to)) {
      to += 2;
    } else if (
      token.kind === 'number' &&
      /^\d{1,4}$/.test(token.low) &&
      (isListed(tokens[to - 1]?.low ?? '') || tokens[to - 1]?.low === 'model')
    ) {
      to += 1;
    } else {
      break;
    }
  }
  return to;
}

function isLink(tokens: readonly Token[], at: number): boolean {
  const next = tokens[at + 1];
  return (
    LINKS.has(tokens[at]?.low ?? '') && next?.kind === 'word' && next.capital && next.role === 0
  );
}

function typeOf(tokens: readonly Token[], from: number, to: number): EntityType {
  const words = tokens.slice(from, to).map((token) => token.low);
  const first = tokens[from];
  const last = words.at(-1) ?? '';
  const before = tokens[from - 1];
  const tags =
    (words.length > 1 ? phraseTagsOf(words.join(' ')) : 0) |
    (words.length === 1 ? (first?.tags ?? 0) : 0);
  if (words.some((word) => EVENTS.has(word)) || (words.length > 1 && EVENT_ENDS.has(last))) {
    return 'event';
  }
  if (words.length > 1 && ORGANIZATION_ENDS.has(last)) return 'organization';
  if (words[0] === 'university' || words[0] === 'bank') return 'organization';
  if (words.length > 1 && PLACE_ENDS.has(last)) return 'place';
  if (words.some((word) => PRODUCTS.has(word))) return 'product';
  if (words.length === 1 && LANGUAGES.has(last)) return 'topic';
  if (before !== undefined && (before.role & Role.pet) !== 0) return 'other';
  if (before !== undefined && (before.role & Role.relation) !== 0) return 'person';
  if (first !== undefined && (first.role & Role.honorific) !== 0) return 'person';
  if (before !== undefined && (before.low === 'named' || before.low === 'called')) {
    const what = tokens[from - 2]?.role ?? 0;
    if ((what & Role.relation) === 0) return 'other';
    return (what & Role.pet) === 0 ? 'person' : 'other';
  }
  const context = contextOf(tokens, from);
  if ((tags & Tag.organization) !== 0) return 'organization';
  if ((tags & Tag.place) !== 0 && ((tags & Tag.given) === 0 || context === 'place')) return 'place';
  if (context === 'place' && before?.low === 'in') return 'place';
  if (context === 'organization' && (tags & Tag.given) === 0) return 'organization';
  if ((tags & Tag.given) !== 0 || ((first?.tags ?? 0) & Tag.given) !== 0) return 'person';
  if ((tags & Tag.demonym) !== 0) return 'topic';
  if (context !== undefined) return context;
  const next = tokens[to];
  if (
    words.length <= 2 &&
    next !== undefined &&
    HUMAN_VERBS.has(next.low) &&
    (next.role & Role.be) === 0
  ) {
    return 'person';
  }
  return (tags & Tag.surname) !== 0 ? 'person' : 'other';
}

/** "dinner with …", "met with …": the companion is a person. */
function isCompany(tokens: readonly Token[], at: number): boolean {
  const company =
    /^(?:met|meet|meeting|dinner|lunch|coffee|live|lives|lived|living|trip|date|talked|spoke|married|went|hiking)$/;
  return tokens.slice(Math.max(0, at - 6), at).some(({ low }) => company.test(low));
}

/** The type that the words before a name suggest: "works at …", "lives in …". */
function contextOf(tokens: readonly Token[], at: number): EntityType | undefined {
  const direct = tokens[at - 1]?.low ?? '';
  const before = direct === 'the' || direct === 'a' ? (tokens[at - 2]?.low ?? '') : direct;
  const isPlaced = before === 'in' || before === 'to' || before === 'from' || before === 'near';
  for (let index = at - 1; index >= Math.max(0, at - 6); index -= 1) {
    const low = tokens[index]?.low ?? '';
    if (WORK.test(low) && /^(?:at|for|by|joined|join|of|left|quit|with)$/.test(before)) {
      return 'organization';
    }
    if (isPlaced && PLACE_VERBS.test(low)) return 'place';
    if (/^(?:visit|visited|visiting)$/.test(low) && index === at - 1) return 'place';
    if (/^(?:bought|drive|drives|owns|own)$/.test(low) && at - index <= 3 && !isPlaced) {
      return 'product';
    }
  }
  if (before === 'in' && tokens[at - 2]?.low.startsWith('believ') !== true) return 'place';
  return before === 'met' || (before === 'with' && isCompany(tokens, at)) ? 'person' : undefined;
}
