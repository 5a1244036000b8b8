import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';
import { cause, modelUse, producer } from './model-usage.ts';

/** Bounds on a model's answer, so that every event stays small and storable. */
export const MAX_FACTS = 64;
export const MAX_ENTITIES = 64;
export const ENTITY_TYPES = [
  'person',
  'organization',
  'place',
  'product',
  'event',
  'date',
  'quantity',
  'topic',
  'other',
] as const;

export const extractedFact = z.looseObject({
  /** One self-contained statement. */
  text: storableText(2_000),
  subject: storableText(256),
  predicate: storableText(256),
  object: storableText(1_000),
  /** 0 to 1. */
  confidence: z.number().min(0).max(1),
});

export const extractedEntity = z.looseObject({
  name: storableText(256),
  type: z.enum(ENTITY_TYPES),
  /** How often the content names it. */
  mentions: z.int().min(1).max(100_000),
});

const v1 = z
  .looseObject({
    cause,
    extractor: producer,
    facts: z.array(extractedFact).max(MAX_FACTS),
    entities: z.array(extractedEntity).max(MAX_ENTITIES),
    /** Why the result is empty: "nothing found" is a result, and differs from a failure. */
    empty_reason: storableText(256).optional(),
    ...modelUse,
  })
  .refine(
    (data) => data.facts.length + data.entities.length > 0 || data.empty_reason !== undefined,
    {
      error: 'a result without facts and entities needs an empty_reason',
      path: ['empty_reason'],
    },
  );

const use = {
  usage: { calls: 1, input_tokens: 12, output_tokens: 30 },
  cost_usd: 0,
  duration_ms: 3.5,
  cached: false,
};

const found = {
  cause: { source: '/agents/a', id: '019c1234-0000-7000-8000-000000000001', sequence: 7 },
  extractor: { name: 'local', version: '1' },
  facts: [
    {
      text: 'Ada prefers tea.',
      subject: 'Ada',
      predicate: 'prefers',
      object: 'tea',
      confidence: 0.8,
    },
  ],
  entities: [{ name: 'Ada', type: 'person', mentions: 1 }],
  ...use,
} as const;

const empty = {
  cause: found.cause,
  extractor: { name: 'chat', version: '1', model: 'some-model' },
  facts: [],
  entities: [],
  empty_reason: 'no statement found',
  ...use,
};

export const memoryExtracted = defineEventType({
  type: 'memory.extracted',
  eventClass: 'derived',
  summary: 'Facts and entities were read out of the content of a memory.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    { name: 'v1: one fact, one entity', version: 1, data: found, latest: found },
    { name: 'v1: nothing found', version: 1, data: empty, latest: empty },
  ],
});

export type MemoryExtracted = EventFrom<typeof memoryExtracted>;
export type ExtractedFact = z.output<typeof extractedFact>;
export type ExtractedEntity = z.output<typeof extractedEntity>;
