import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';
import { MEMORY_KINDS } from './memory-created.ts';

const v1 = z.looseObject({
  /** The whole new content, not a difference. */
  content: storableText(60_000),
  reason: storableText(2_000).optional(),
  kind: z.enum(MEMORY_KINDS).optional(),
  importance: z.number().min(0).max(1).optional(),
});

export const memoryRevised = defineEventType({
  type: 'memory.revised',
  eventClass: 'content',
  summary: 'The content of a memory was replaced by a better one.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    {
      name: 'v1: content and reason',
      version: 1,
      data: { content: 'Ada prefers green tea.', reason: 'corrected by Ada' },
      latest: { content: 'Ada prefers green tea.', reason: 'corrected by Ada' },
    },
    {
      name: 'v1: kind and importance change too',
      version: 1,
      data: { content: 'Deadline is Friday.', kind: 'event', importance: 1 },
      latest: { content: 'Deadline is Friday.', kind: 'event', importance: 1 },
    },
  ],
});

export type MemoryRevised = EventFrom<typeof memoryRevised>;
