import { type ExtractedEntity, MAX_ENTITIES } from '@memfleet/events';
import { cleanText } from '../../text.ts';
import { Tag } from './lexicon.ts';
import type { EntityType, Name } from './name.ts';
import type { Found } from './statement.ts';
import type { Sentence, Token } from './tokens.ts';
import { Role } from './words.ts';

/** Verbs whose object is a topic: things that somebody likes, does, studies, cannot eat. */
const INTEREST =
  /^(?:like|likes|liked|love|loves|loved|enjoy|enjoys|enjoyed|prefer|prefers|preferred|adore|hate|hates|dislike|dislikes|play|plays|played|study|studies|studied|learn|learning|learned|practice|practise|collect|collects|teach|teaches)$/;
const STATES = /^(?:allergic|interested|passionate|vegan|vegetarian|addicted|keen|intolerant)$/;
const MAX_TOPIC_WORDS = 3;

/** Counts the entities that a text names, over all its sentences. */
export class EntityCount {
  readonly #text: string;
  readonly #counts = new Map<string, ExtractedEntity>();

  constructor(text: string) {
    this.#text = text;
  }

  add({ tokens }: Sentence, names: readonly Name[], found: readonly Found[]): void {
    for (const { from, to, type } of names) this.#count(this.#words(tokens, from, to), type);
    for (const item of found) {
      if (!isInterest(item, tokens)) continue;
      for (const [from, to] of topicsIn(tokens, item.from, item.to, names)) {
        this.#count(this.#words(tokens, from, to).toLowerCase(), 'topic');
      }
    }
  }

  list(): ExtractedEntity[] {
    const entities = [...this.#counts.values()];
    for (const short of entities) this.#joinLonger(short, entities);
    return entities.filter(({ mentions }) => mentions > 0).slice(0, MAX_ENTITIES);
  }

  #words(tokens: readonly Token[], from: number, to: number): string {
    const words = this.#text.slice(tokens[from]?.start ?? 0, tokens[to - 1]?.end ?? 0);
    return cleanText(words.replace(/^[#@]/, '').replaceAll(/\s+/g, ' '), 256);
  }

  #count(name: string, type: EntityType): void {
    if (name === '') return;
    const key = name.toLowerCase();
    const known = this.#counts.get(key);
    if (known === undefined) {
      if (this.#counts.size < MAX_ENTITIES * 4) this.#counts.set(key, { name, type, mentions: 1 });
      return;
    }
    known.mentions += 1;
    // Its first position did not show its type; a later one may.
    if (known.type === 'other') known.type = type;
  }

  /** "Ana" is the "Ana Silva" that the text also names. */
  #joinLonger(short: ExtractedEntity, all: readonly ExtractedEntity[]): void {
    if (short.type !== 'person' && short.type !== 'other') return;
    if (short.name.includes(' ')) return;
    const longer = all.find(
      ({ name, type }) =>
        type === 'person' && name.split(' ').includes(short.name) && name !== short.name,
    );
    if (longer === undefined) return;
    longer.mentions += short.mentions;
    short.mentions = 0;
  }
}

function isInterest({ verb, from, fact }: Found, tokens: readonly Token[]): boolean {
  if (verb.copula && /\bfavou?rite\b/.test(fact.subject)) return true;
  if (INTEREST.test(verb.main) || INTEREST.test(verb.first)) return true;
  return verb.copula && STATES.test(tokens[verb.end]?.low ?? '') && from > verb.end;
}

/** The short nouns of an object: "apples, pears and plums" are three. */
function topicsIn(
  tokens: readonly Token[],
  from: number,
  to: number,
  names: readonly Name[],
): (readonly [number, number])[] {
  const topics: (readonly [number, number])[] = [];
  let start = from;
  for (let at = from; at <= to; at += 1) {
    const token = at < to ? tokens[at] : undefined;
    const isSeparator =
      token === undefined || token.kind === 'mark' || token.low === 'and' || token.low === 'or';
    if (!isSeparator) continue;
    const trimmed = trim(tokens, start, at);
    const isNamed = names.some((name) => name.from < at && name.to > start);
    if (trimmed !== undefined && !isNamed) topics.push(trimmed);
    start = at + 1;
  }
  return topics;
}

function trim(
  tokens: readonly Token[],
  from: number,
  to: number,
): readonly [number, number] | undefined {
  // "my job" concerns only one person.
  if (/^(?:my|our)$/.test(tokens[from]?.low ?? '')) return undefined;
  let start = from;
  while (start < to && ((tokens[start]?.role ?? 0) & (Role.determiner | Role.adverb)) !== 0) {
    start += 1;
  }
  let end = start;
  while (end < to) {
    const token = tokens[end];
    if (token?.kind !== 'word') break;
    const breaks = Role.preposition | Role.subordinate | Role.particle | Role.pronoun | Role.adverb;
    if ((token.role & breaks) !== 0) break;
    end += 1;
  }
  if (end === start || end - start > MAX_TOPIC_WORDS) return undefined;
  // "waking up": the word that was cut off belongs to it.
  const cutOff = end < to ? (tokens[end]?.role ?? 0) : 0;
  if ((cutOff & (Role.particle | Role.adverb)) !== 0) return undefined;
  const words = tokens.slice(start, end);
  const closed = words.some(
    ({ role, kind, low }) =>
      /^(?:any|every|no|some)thing$/.test(low) ||
      (role & (Role.empty | Role.be | Role.auxiliary)) !== 0 ||
      kind !== 'word',
  );
  const last = words.at(-1);
  const isThing =
    last !== undefined &&
    (last.tags === 0 || (last.tags & (Tag.noun | Tag.gerund | Tag.present)) !== 0);
  return closed || !isThing ? undefined : [start, end];
}
