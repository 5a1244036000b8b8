import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';
import { languageTag, MEMORY_KINDS, withLanguageTag } from './memory-created.ts';

const v1 = z.looseObject({
  /** The whole new content, not a difference. */
  content: storableText(60_000),
  reason: storableText(2_000).optional(),
  kind: z.enum(MEMORY_KINDS).optional(),
  importance: z.number().min(0).max(1).optional(),
});

const v2 = z.looseObject({
  ...v1.shape,
  /**
   * Language of the new content. If it is missing, readers detect it: the language of the old content
   * does not apply to the new one.
   */
  language: languageTag.optional(),
});

export const memoryRevised = defineEventType({
  type: 'memory.revised',
  eventClass: 'content',
  summary: 'The content of a memory was replaced by a better one.',
  versions: { 1: v1, 2: v2 },
  latest: v2,
  upcasters: [{ from: 1, to: 2, upcast: (data: z.output<typeof v1>) => withLanguageTag(data) }],
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
    {
      name: 'v2: in another language',
      version: 2,
      data: { content: 'Ada bevorzugt Tee.', language: 'de' },
      latest: { content: 'Ada bevorzugt Tee.', language: 'de' },
    },
  ],
});

export type MemoryRevised = EventFrom<typeof memoryRevised>;
