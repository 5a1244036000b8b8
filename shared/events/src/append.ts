import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { Envelope } from './envelope.ts';
import { EventError } from './errors.ts';
import { verbOf } from './event-type.ts';
import { eventKey } from './ids.ts';
import { validated } from './new-event.ts';
import { registry } from './registry.ts';
import { memoryFilter, publishSubject } from './subjects.ts';
import { isPlain } from './text.ts';

/** Names of the log; the defaults are those of a fleet with one log. */
export interface LogNames {
  readonly stream: string;
  /** First token of every subject. */
  readonly root: string;
}

export const DEFAULT_LOG: LogNames = { stream: 'MEMORY', root: 'memory' };

export interface Limits {
  /** Largest `data`, in bytes of JSON; beyond it, content belongs in a blob store. */
  readonly maxDataBytes: number;
  /** How far ahead of this machine's clock an event's time may lie. */
  readonly maxAheadMs: number;
}

export const DEFAULT_LIMITS: Limits = { maxDataBytes: 64 * 1024, maxAheadMs: 24 * 3_600_000 };

export const NO_LIMITS: Limits = {
  maxDataBytes: Number.POSITIVE_INFINITY,
  maxAheadMs: Number.POSITIVE_INFINITY,
};

/** An event that the log would accept, ready to send: nothing about it depends on the connection. */
export class PreparedEvent {
  readonly event: Envelope;
  readonly subject: string;
  /** As it will be in the log. */
  readonly json: string;
  /** The size of `json` as UTF-8. */
  readonly bytes: number;
  /** Msg-Id, and the event's key in every dedupe table. */
  readonly key: string;

  constructor(event: Envelope, subject: string, json: string, bytes: number, key: string) {
    this.event = event;
    this.subject = subject;
    this.json = json;
    this.bytes = bytes;
    this.key = key;
  }
}

/**
 * @throws EventError EVENT_INVALID, EVENT_TOO_LARGE
 */
export function prepare(value: unknown, log: LogNames, limits: Limits): PreparedEvent {
  const json = stringify(value);
  // Text that is plain as JSON need not be checked again, string by string.
  const event = validated(value, isPlain(json));
  if (Date.parse(event.time) > Date.now() + limits.maxAheadMs) {
    throw new EventError('EVENT_INVALID', `time: ${event.time} is too far in the future`);
  }
  const definition = registry.definition(event.type);
  if (definition === undefined) throw new EventError('EVENT_INVALID', `unknown type ${event.type}`);
  const bytes = Buffer.byteLength(json);
  // The data are a part of the event: only a larger event needs a second look.
  if (bytes > limits.maxDataBytes) checkDataSize(event, limits);
  const subject = publishSubject(
    log.root,
    event.tenantid,
    event.subject,
    definition.eventClass,
    verbOf(event.type),
  );
  return new PreparedEvent(event, subject, json, bytes, eventKey(event));
}

/** @throws EventError EVENT_TOO_LARGE */
function checkDataSize({ data }: Envelope, { maxDataBytes }: Limits): void {
  const dataBytes = Buffer.byteLength(stringify(data));
  if (dataBytes <= maxDataBytes) return;
  throw new EventError(
    'EVENT_TOO_LARGE',
    `data is ${dataBytes} bytes, over the inline limit of ${maxDataBytes}`,
  );
}

/** JSON.parse accepts deeper nesting than JSON.stringify can write: that is bad input, not a crash. */
function stringify(value: unknown): string {
  try {
    // A value that is no object is no event; the check that follows reports it.
    return typeof value === 'object' && value !== null ? JSON.stringify(value) : '';
  } catch (cause) {
    // A schema's complaint says more than the failure to write, so it goes first.
    validated(value);
    throw new EventError('EVENT_INVALID', 'data is nested too deeply to be written', cause);
  }
}

/** Headers of one append. The expectation names the *stored* subjects, as the server demands. */
export function appendHeaders(
  prepared: PreparedEvent,
  log: LogNames,
  expectedVersion?: number,
): MsgHdrs {
  const result = headers();
  result.set('Nats-Msg-Id', prepared.key);
  result.set('Nats-Expected-Stream', log.stream);
  if (expectedVersion !== undefined) {
    const { tenantid, subject } = prepared.event;
    result.set('Nats-Expected-Last-Subject-Sequence', String(expectedVersion));
    result.set(
      'Nats-Expected-Last-Subject-Sequence-Subject',
      memoryFilter(log.root, tenantid, subject),
    );
  }
  return result;
}

/** Identifies a memory across tenants. It must not throw for any input: the input is not checked yet. */
export function memoryOf(event: unknown): string {
  const envelope = event instanceof PreparedEvent ? event.event : (event ?? {});
  const { tenantid, subject } = envelope as Partial<Record<string, unknown>>;
  return typeof tenantid === 'string' && typeof subject === 'string'
    ? `${tenantid}.${subject}`
    : '';
}

/** The event's id, as far as it can be read; '' where there is none. */
export function idOf(event: unknown): string {
  const { id } = (event instanceof PreparedEvent ? event.event : (event ?? {})) as {
    readonly id?: unknown;
  };
  return typeof id === 'string' ? id : '';
}

/** An optimistic append states in the event itself the version it was decided on. */
export function stamped(event: unknown, expectedVersion: number | undefined): unknown {
  if (expectedVersion === undefined || typeof event !== 'object' || event === null) return event;
  return { ...event, aggregateversion: expectedVersion };
}
