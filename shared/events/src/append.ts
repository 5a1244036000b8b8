import { headers, type MsgHdrs } from '@nats-io/transport-node';
import type { Envelope } from './envelope.ts';
import { EventError } from './errors.ts';
import { verbOf } from './event-type.ts';
import { eventKey } from './ids.ts';
import { validated } from './new-event.ts';
import { registry } from './registry.ts';
import { memoryFilter, publishSubject } from './subjects.ts';

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

/** An event ready to be sent: nothing about it depends on the connection. */
export interface Prepared {
  readonly event: Envelope;
  readonly subject: string;
  readonly payload: Uint8Array;
  /** Msg-Id, and the event's key in every dedupe table. */
  readonly key: string;
}

/**
 * @throws EventError EVENT_INVALID, EVENT_TOO_LARGE
 */
export function prepare(value: unknown, log: LogNames, limits: Limits): Prepared {
  const event = validated(value);
  if (Date.parse(event.time) > Date.now() + limits.maxAheadMs) {
    throw new EventError('EVENT_INVALID', `time: ${event.time} is too far in the future`);
  }
  const definition = registry.definition(event.type);
  if (definition === undefined) throw new EventError('EVENT_INVALID', `unknown type ${event.type}`);
  const payload = Buffer.from(stringify(event));
  // The data are a part of the event: only one that is larger has to be looked at twice.
  if (payload.byteLength > limits.maxDataBytes) checkDataSize(event, limits);
  return {
    event,
    subject: publishSubject(
      log.root,
      event.tenantid,
      event.subject,
      definition.eventClass,
      verbOf(event.type),
    ),
    payload,
    key: eventKey(event),
  };
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

/** JSON.parse takes deeper nesting than JSON.stringify can write: that is bad input, not a crash. */
function stringify(value: unknown): string {
  try {
    return JSON.stringify(value);
  } catch (cause) {
    throw new EventError('EVENT_INVALID', 'data is nested too deeply to be written', cause);
  }
}

/** Headers of one append. The expectation names the *stored* subjects, as the server demands. */
export function appendHeaders(
  prepared: Prepared,
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

/** Names a memory among all. Whatever the input is, it must not throw: it is not checked yet. */
export function memoryOf(event: unknown): string {
  const { tenantid, subject } = (event ?? {}) as Partial<Record<string, unknown>>;
  return typeof tenantid === 'string' && typeof subject === 'string'
    ? `${tenantid}.${subject}`
    : '';
}

/** An optimistic append says in the event itself on which version it was decided. */
export function stamped(event: unknown, expectedVersion: number | undefined): unknown {
  if (expectedVersion === undefined || typeof event !== 'object' || event === null) return event;
  return { ...event, aggregateversion: expectedVersion };
}
