import type { z } from 'zod';
import type { DataOf, MemoryEventType } from './catalogue/index.ts';
import type { Envelope } from './envelope.ts';
import { EventError } from './errors.ts';
import { type EventType, latestVersion } from './event-type.ts';
import { type EventIdentity, newEventId } from './ids.ts';
import { registry } from './registry.ts';

type AnyData = Readonly<Record<string, unknown>>;

/**
 * An author's part of a new event; the rest of the envelope follows from it. When the type is literal and
 * the version is the latest, the compiler checks the data; at run time they are always checked.
 */
export interface NewEvent<
  Type extends MemoryEventType = MemoryEventType,
  Version extends number | undefined = number | undefined,
> {
  readonly tenant: string;
  readonly memory: string;
  readonly type: Type;
  readonly data: [Version] extends [undefined] ? DataOf<Type> : AnyData;
  /** URI reference of the publisher, such as `/agents/support`. */
  readonly source: string;
  /** Default: a new UUIDv7. Give one to make a retry recognisable across restarts. */
  readonly id?: string;
  /** RFC 3339 with offset; default: now. */
  readonly time?: string;
  /** Default: the event's own id. */
  readonly correlationId?: string;
  /** Default: the event's own id, which marks it as a root. */
  readonly causationId?: string;
  /** Default: the latest version of the type. */
  readonly schemaVersion?: Version;
  readonly traceparent?: string;
}

/**
 * A complete envelope, checked against its schema.
 * @throws EventError EVENT_INVALID with every problem in one line.
 */
export function createEvent<
  Type extends MemoryEventType,
  Version extends number | undefined = undefined,
>(input: NewEvent<Type, Version>): Envelope {
  return validated(envelopeOf(input));
}

/** An event of any type: the registry knows a module's types, but the compiler does not. */
type AnyNewEvent = Omit<NewEvent, 'type' | 'data'> & {
  readonly type: string;
  readonly data: unknown;
};

function envelopeOf(input: AnyNewEvent): unknown {
  const id = input.id ?? newEventId();
  const definition = registry.definition(input.type);
  return {
    specversion: '1.0',
    id,
    source: input.source,
    type: input.type,
    subject: input.memory,
    time: input.time ?? new Date().toISOString(),
    datacontenttype: 'application/json',
    data: input.data,
    schemaversion:
      input.schemaVersion ?? (definition === undefined ? 1 : latestVersion(definition)),
    tenantid: input.tenant,
    correlationid: input.correlationId ?? id,
    causationid: input.causationId ?? id,
    ...(input.traceparent === undefined ? {} : { traceparent: input.traceparent }),
  };
}

/**
 * An event caused by another: same tenant, memory, correlation and trace; the cause is its parent. It is
 * not checked here but, like every event, when it is prepared for the append.
 */
export function createDerivedEvent<Latest extends z.ZodType>(
  { type }: Pick<EventType<string, Latest>, 'type' | 'latest'>,
  cause: Pick<Envelope, 'tenantid' | 'subject' | 'correlationid' | 'traceparent'> & EventIdentity,
  derived: Pick<NewEvent, 'source' | 'time'> & {
    readonly id: string;
    readonly data: z.input<Latest>;
  },
): Envelope {
  return envelopeOf({
    ...derived,
    type,
    tenant: cause.tenantid,
    memory: cause.subject,
    correlationId: cause.correlationid,
    causationId: cause.id,
    ...(cause.traceparent === undefined ? {} : { traceparent: cause.traceparent }),
  }) as Envelope;
}

/**
 * The given envelope, after checking that it fits. It is not replaced by the parsed form: the log gets
 * exactly what the author wrote, and readers fill in defaults. `isPlainText` is as in `isPlain`.
 * @throws EventError EVENT_INVALID
 */
export function validated(value: unknown, isPlainText = false): Envelope {
  const decoded = registry.upcast(value, isPlainText);
  if (decoded.kind !== 'known') throw new EventError('EVENT_INVALID', decoded.reason);
  return value as Envelope;
}
