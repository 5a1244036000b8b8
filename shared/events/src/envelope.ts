import { z } from 'zod';
import { token } from './ids.ts';
import { storableText } from './text.ts';

const identifier = storableText(256);

const FIRST_INSTANT = Date.parse('0001-01-01T00:00:00Z');
const LAST_INSTANT = Date.parse('9999-12-31T23:59:59.999Z');

/**
 * Refuses times that JavaScript accepts but PostgreSQL does not: an instant outside the years 1 to 9999
 * after applying the offset, an offset of 16 hours or more, and a fraction of hundreds of digits.
 */
function isTimeEverywhere(time: string): boolean {
  if (time.length > 40 || /[+-](?:1[6-9]|2\d):\d\d$/.test(time)) return false;
  const instant = Date.parse(time);
  return instant >= FIRST_INSTANT && instant <= LAST_INSTANT;
}

/** RFC 3339 with an offset, bounded to what both JavaScript and PostgreSQL hold without changing it. */
export const timestamp = z.iso
  .datetime({
    offset: true,
    error: 'must be an RFC 3339 time with an offset, like 2026-01-31T12:00:00Z',
    abort: true,
  })
  .refine(isTimeEverywhere, { error: 'is not a time that every part of the fleet can hold' });

/**
 * CloudEvents 1.0, structured JSON. `correlationid`, `causationid`, `dataref` and `traceparent` are
 * documented CloudEvents extensions; `tenantid`, `schemaversion` and `aggregateversion` are our own.
 * Unknown attributes are kept: the log holds what was written, not what we understood.
 */
export const envelopeSchema = z.looseObject({
  specversion: z.literal('1.0'),
  /** UUIDv7 upstream, UUIDv5 for derived events; any RFC 9562 UUID is accepted. */
  id: z.uuid(),
  source: identifier,
  type: identifier,
  /** The memory this event belongs to. */
  subject: token,
  time: timestamp,
  datacontenttype: z.literal('application/json'),
  data: z.looseObject({}),
  /** Version of the schema of `data` at the time of writing; readers upcast. */
  schemaversion: z.int().min(1),
  tenantid: token,
  /** Groups everything that follows from one outside request. */
  correlationid: identifier,
  /** The id of the event that led to this one; a root event names itself. */
  causationid: identifier,
  /** Version of the memory an optimistic append was decided on (stream sequence, 0 for none). */
  aggregateversion: z.int().min(0).optional(),
  traceparent: z
    .string()
    .regex(/^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$/)
    .optional(),
});

export type Envelope = z.output<typeof envelopeSchema>;

/** An envelope whose type and data are known. */
export type EventOf<Type extends string, Data> = Rest & {
  readonly type: Type;
  readonly data: Data;
};

/** `Omit` would forget the named fields of a type that allows unknown ones as well. */
type Rest = {
  [Key in keyof Envelope as Key extends 'type' | 'data' ? never : Key]: Envelope[Key];
};

/** "path: what is wrong" for every issue, in one line, without quoting the value. */
export function describeIssues(error: z.ZodError, prefix = ''): string {
  return error.issues
    .map((issue) => {
      const path = [prefix, ...issue.path.map(String)].filter((part) => part !== '').join('.');
      return path === '' ? issue.message : `${path}: ${issue.message}`;
    })
    .join('; ');
}
