import {
  ENTITY_TYPES,
  type ExtractedEntity,
  type ExtractedFact,
  MAX_ENTITIES,
  MAX_FACTS,
} from '@memfleet/events';
import { ProviderError } from '@memfleet/models';
import { z } from 'zod';
import { cleanText } from '../../text.ts';

/** The schema that the model is asked for. Its answer may deviate, and is repaired: see `readAnswer`. */
export const answerSchema = z.strictObject({
  facts: z.array(
    z.strictObject({
      text: z.string(),
      subject: z.string(),
      predicate: z.string(),
      object: z.string(),
      confidence: z.number(),
    }),
  ),
  entities: z.array(
    z.strictObject({ name: z.string(), type: z.enum(ENTITY_TYPES), mentions: z.number() }),
  ),
  empty_reason: z.string().nullable(),
});

export interface Answer {
  readonly facts: ExtractedFact[];
  readonly entities: ExtractedEntity[];
  readonly emptyReason?: string;
}

type EntityType = (typeof ENTITY_TYPES)[number];

/** Names that models use for our types. */
const TYPE_ALIASES: ReadonlyMap<string, EntityType> = new Map<string, EntityType>([
  ...ENTITY_TYPES.map((type) => [type, type] as const),
  ...aliases('person', 'per people human name user character family relative'),
  ...aliases('organization', 'org organisation company institution brand team school business'),
  ...aliases('place', 'loc location gpe city country region address geo facility venue'),
  ...aliases(
    'product',
    'software tool device app technology book movie song work_of_art food drink',
  ),
  ...aliases('event', 'meeting holiday conference appointment'),
  ...aliases('date', 'time datetime duration day period timestamp'),
  ...aliases('quantity', 'number amount money cardinal percent measurement price'),
  ...aliases('topic', 'concept subject theme activity hobby skill field interest language'),
]);

function aliases(type: EntityType, names: string): (readonly [string, EntityType])[] {
  return names.split(' ').map((name) => [name, type] as const);
}

/**
 * Reads a model's answer: shortens long values, maps other names, drops single unusable items. For any
 * text, the result satisfies `memory.extracted`.
 * @throws ProviderError invalid_output when no part of it can be used
 */
export function readAnswer(text: string): Answer {
  const value = jsonIn(text);
  if (!isRecord(value)) throw invalid('the answer is no JSON object');
  const { facts: saidFacts, entities: saidEntities } = value;
  if (!Array.isArray(saidFacts) && !Array.isArray(saidEntities)) {
    throw invalid('the answer has neither facts nor entities');
  }
  const facts = distinctFacts(listOf(saidFacts));
  const entities = distinctEntities(listOf(saidEntities));
  if (facts.length + entities.length > 0) return { facts, entities };
  const offered = listOf(saidFacts).length + listOf(saidEntities).length;
  if (offered > 0) throw invalid(`none of ${offered} facts and entities can be used`);
  const reason = textOf(value['empty_reason'], 256);
  return { facts, entities, emptyReason: reason === '' ? 'no statement found' : reason };
}

/** The JSON text itself, or the one in a code fence or behind an introduction. */
function jsonIn(text: string): unknown {
  const from = text.indexOf('{');
  const to = text.lastIndexOf('}');
  for (const candidate of [text, from >= 0 && to > from ? text.slice(from, to + 1) : '']) {
    try {
      return JSON.parse(candidate);
    } catch {
      // Try the next candidate; when none is JSON, the caller reports it.
      continue;
    }
  }
  return undefined;
}

function distinctFacts(items: readonly unknown[]): ExtractedFact[] {
  const facts = new Map<string, ExtractedFact>();
  for (const item of items) {
    const fact = isRecord(item) ? factOf(item) : undefined;
    if (fact === undefined) continue;
    const key = fact.text.toLowerCase();
    if (!facts.has(key)) facts.set(key, fact);
    if (facts.size === MAX_FACTS) break;
  }
  return [...facts.values()];
}

function factOf(item: Readonly<Record<string, unknown>>): ExtractedFact | undefined {
  const fact = {
    text: textOf(item['text'], 2_000),
    subject: textOf(item['subject'], 256),
    predicate: textOf(item['predicate'], 256),
    object: textOf(item['object'], 1_000),
    confidence: confidenceOf(item['confidence']),
  };
  const isWhole = [fact.text, fact.subject, fact.predicate, fact.object].every(Boolean);
  return isWhole ? fact : undefined;
}

function distinctEntities(items: readonly unknown[]): ExtractedEntity[] {
  const entities = new Map<string, ExtractedEntity>();
  for (const item of items) {
    if (!isRecord(item)) continue;
    const name = textOf(item['name'], 256);
    if (name === '') continue;
    const type = TYPE_ALIASES.get(textOf(item['type'], 64).toLowerCase()) ?? 'other';
    const mentions = mentionsOf(item['mentions']);
    const key = `${type} ${name.toLowerCase()}`;
    const before = entities.get(key);
    if (before === undefined && entities.size === MAX_ENTITIES) continue;
    entities.set(key, {
      name: before?.name ?? name,
      type,
      mentions: Math.min(100_000, (before?.mentions ?? 0) + mentions),
    });
  }
  return [...entities.values()];
}

function textOf(value: unknown, max: number): string {
  if (typeof value === 'string') return cleanText(value, max);
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : '';
}

/** Some models write percent. A value that is no number counts as neither sure nor unsure. */
function confidenceOf(value: unknown): number {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return 0.5;
  return Math.min(1, Math.max(0, number > 1 && number <= 100 ? number / 100 : number));
}

function mentionsOf(value: unknown): number {
  const number = typeof value === 'string' ? Number.parseFloat(value) : value;
  if (typeof number !== 'number' || !Number.isFinite(number)) return 1;
  return Math.min(100_000, Math.max(1, Math.round(number)));
}

function listOf(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function invalid(what: string): ProviderError {
  return new ProviderError('invalid_output', what);
}
