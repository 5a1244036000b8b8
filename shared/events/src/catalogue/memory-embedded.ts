import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';
import { cause, modelUse, producer } from './model-usage.ts';

const sha256 = z.string().regex(/^[0-9a-f]{64}$/, { error: 'must be a SHA-256 in lower-case hex' });

const v1 = z.looseObject({
  cause,
  embedder: producer,
  /** The embedding space: vectors of different spaces cannot be compared. */
  space: storableText(64),
  /** What was embedded: the content of the memory, or the n-th fact of the causing extraction. */
  target: z.discriminatedUnion('kind', [
    z.looseObject({ kind: z.literal('content') }),
    z.looseObject({ kind: z.literal('fact'), fact: z.int().min(0).max(1_000) }),
  ]),
  /** The location of the vector, addressed by space and digest. Never the vector itself. */
  vector: z.looseObject({ content_sha256: sha256, dimensions: z.int().min(1).max(65_536) }),
  ...modelUse,
});

const embedded = {
  cause: { source: '/agents/a', id: '019c1234-0000-7000-8000-000000000001', sequence: 7 },
  embedder: { name: 'lexical', version: '1' },
  space: 'lexical-512-0a1b2c3d',
  target: { kind: 'content' },
  vector: {
    content_sha256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    dimensions: 512,
  },
  usage: { calls: 1, input_tokens: 8, output_tokens: 0 },
  cost_usd: 0,
  duration_ms: 0.2,
  cached: false,
} as const;
const embeddedFact = { ...embedded, target: { kind: 'fact', fact: 0 } } as const;

export const memoryEmbedded = defineEventType({
  type: 'memory.embedded',
  eventClass: 'derived',
  summary: 'A vector was computed for the content of a memory, or for one of its facts.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    { name: 'v1: content', version: 1, data: embedded, latest: embedded },
    { name: 'v1: a fact', version: 1, data: embeddedFact, latest: embeddedFact },
  ],
});

export type MemoryEmbedded = EventFrom<typeof memoryEmbedded>;
