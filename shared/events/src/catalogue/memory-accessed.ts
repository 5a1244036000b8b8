import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';

const v1 = z.looseObject({
  /** Who recalled it. */
  by: storableText(256).optional(),
  purpose: storableText(2_000).optional(),
  /** Position in the list of results, from 1. */
  rank: z.int().min(1).max(1_000_000).optional(),
});

export const memoryAccessed = defineEventType({
  type: 'memory.accessed',
  eventClass: 'usage',
  summary: 'A memory was recalled.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    { name: 'v1: nothing but the fact', version: 1, data: {}, latest: {} },
    {
      name: 'v1: who and why',
      version: 1,
      data: { by: 'assistant', purpose: 'answering', rank: 1 },
      latest: { by: 'assistant', purpose: 'answering', rank: 1 },
    },
  ],
});

export type MemoryAccessed = EventFrom<typeof memoryAccessed>;
