import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';

const v1 = z.looseObject({ reason: storableText(2_000).optional() });

export const memoryForgotten = defineEventType({
  type: 'memory.forgotten',
  eventClass: 'lifecycle',
  summary:
    'A memory must no longer be recalled. The log keeps the fact; the read models drop the content.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    { name: 'v1: without a reason', version: 1, data: {}, latest: {} },
    {
      name: 'v1: with a reason',
      version: 1,
      data: { reason: 'asked to' },
      latest: { reason: 'asked to' },
    },
  ],
});

export type MemoryForgotten = EventFrom<typeof memoryForgotten>;
