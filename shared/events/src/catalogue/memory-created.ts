import { z } from 'zod';
import { timestamp } from '../envelope.ts';
import { defineEventType, type EventFrom } from '../event-type.ts';
import { storableText } from '../text.ts';

const v1 = z.looseObject({ content: storableText(60_000) });

export const MEMORY_KINDS = ['note', 'message', 'fact', 'preference', 'event', 'document'] as const;
export type MemoryKind = (typeof MEMORY_KINDS)[number];

/** Who may see the memory and in which conversation it arose; the tenant is in the envelope. */
const scope = z.looseObject({
  user: storableText(256).optional(),
  agent: storableText(256).optional(),
  session: storableText(256).optional(),
});

/** Who said it. */
const attribution = z.looseObject({
  role: z.enum(['user', 'assistant', 'system', 'tool', 'unknown']),
  name: storableText(256).optional(),
});

const v2 = z.looseObject({
  content: storableText(60_000),
  kind: z.enum(MEMORY_KINDS).default('note'),
  scope: scope.default({}),
  attribution: attribution.default({ role: 'unknown' }),
  /** The time from which the statement is true; not the time of the statement. */
  valid_from: timestamp.optional(),
  /** 0 (trivia) to 1 (must not be forgotten). */
  importance: z.number().min(0).max(1).default(0.5),
});

/** The language that a content is written in: a tag (BCP 47) such as `de` or `pt-BR`. */
export const languageTag = z
  .string()
  .max(35)
  .regex(/^[A-Za-z]{2,8}(?:-[A-Za-z0-9]{1,8})*$/, {
    error: 'must be a language tag such as de or pt-BR',
  });

/**
 * Before there was a `language`, a publisher could store anything under that name. A language tag is
 * kept; anything else is left out, and the event stays readable.
 */
export function withLanguageTag(data: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const { language, ...rest } = data;
  const tag = languageTag.safeParse(language);
  return tag.success ? { ...rest, language: tag.data } : rest;
}

const v3 = z.looseObject({
  ...v2.shape,
  /** Language of the content; if it is missing, readers detect it. */
  language: languageTag.optional(),
});

export const memoryCreated = defineEventType({
  type: 'memory.created',
  eventClass: 'content',
  summary: 'Something worth remembering was said or observed.',
  versions: { 1: v1, 2: v2, 3: v3 },
  latest: v3,
  upcasters: [
    {
      from: 1,
      to: 2,
      upcast: (data: z.output<typeof v1>, envelope) => ({
        ...data,
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        valid_from: envelope.time,
        importance: 0.5,
      }),
    },
    { from: 2, to: 3, upcast: (data: z.output<typeof v2>) => withLanguageTag(data) },
  ],
  fixtures: [
    {
      name: 'v1: only content',
      version: 1,
      data: { content: 'Ada prefers tea to coffee.' },
      latest: {
        content: 'Ada prefers tea to coffee.',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        valid_from: '2026-01-31T12:00:00Z',
        importance: 0.5,
      },
    },
    {
      name: 'v1: an unknown field is kept',
      version: 1,
      data: { content: 'x', mood: 'calm' },
      latest: {
        content: 'x',
        mood: 'calm',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        valid_from: '2026-01-31T12:00:00Z',
        importance: 0.5,
      },
    },
    {
      name: 'v2: everything said',
      version: 2,
      data: {
        content: 'I moved to Lisbon in March.',
        kind: 'fact',
        scope: { user: 'u-1', agent: 'assistant', session: 's-9' },
        attribution: { role: 'user', name: 'Ada' },
        valid_from: '2025-03-01T00:00:00+00:00',
        importance: 0.9,
      },
      latest: {
        content: 'I moved to Lisbon in March.',
        kind: 'fact',
        scope: { user: 'u-1', agent: 'assistant', session: 's-9' },
        attribution: { role: 'user', name: 'Ada' },
        valid_from: '2025-03-01T00:00:00+00:00',
        importance: 0.9,
      },
    },
    {
      name: 'v2: only content, the rest by default',
      version: 2,
      data: { content: 'Short.' },
      latest: {
        content: 'Short.',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        importance: 0.5,
      },
    },
    {
      name: 'v2: a field of the name of a later one',
      version: 2,
      data: { content: 'Short.', language: { of: 'the publisher' } },
      latest: {
        content: 'Short.',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        importance: 0.5,
      },
    },
    {
      name: 'v3: a declared language',
      version: 3,
      data: { content: 'Ich trinke Tee.', language: 'de-AT' },
      latest: {
        content: 'Ich trinke Tee.',
        language: 'de-AT',
        kind: 'note',
        scope: {},
        attribution: { role: 'unknown' },
        importance: 0.5,
      },
    },
    {
      name: 'v3: no language',
      version: 3,
      data: { content: 'Short.', scope: { user: 'u-1' } },
      latest: {
        content: 'Short.',
        kind: 'note',
        scope: { user: 'u-1' },
        attribution: { role: 'unknown' },
        importance: 0.5,
      },
    },
  ],
});

export type MemoryCreated = EventFrom<typeof memoryCreated>;
