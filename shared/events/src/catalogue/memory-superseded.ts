import { z } from 'zod';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { token } from '../ids.ts';
import { storableText } from '../text.ts';

const v1 = z.looseObject({
  /** The memory that holds instead. */
  by: token,
  reason: storableText(2_000).optional(),
});

export const memorySuperseded = defineEventType({
  type: 'memory.superseded',
  eventClass: 'lifecycle',
  summary: 'Another memory holds instead of this one.',
  versions: { 1: v1 },
  latest: v1,
  upcasters: [],
  fixtures: [
    {
      name: 'v1: by another memory',
      version: 1,
      data: { by: 'm-2', reason: 'newer address' },
      latest: { by: 'm-2', reason: 'newer address' },
    },
  ],
});

export type MemorySuperseded = EventFrom<typeof memorySuperseded>;
