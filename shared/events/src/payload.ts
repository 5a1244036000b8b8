import { hash } from 'node:crypto';
import type { Envelope } from './envelope.ts';
import { registry } from './registry.ts';

/**
 * The time and trace of an event are not part of its payload: the same fact, published again by a
 * publisher that stamps its own clock, is the same fact.
 */
const METADATA: ReadonlySet<string> = new Set([
  'time',
  'traceparent',
  'tracestate',
  'aggregateversion',
]);

/** SHA-256 (32 bytes) over the payload of an event, independent of the order of its keys. */
export function payloadDigest(envelope: Readonly<Record<string, unknown>>): Buffer {
  const names = Object.keys(envelope).filter((name) => !METADATA.has(name));
  return hash('sha256', canonicalObject(envelope, names), 'buffer');
}

/** Whether two envelopes state the same fact; `strictTime` compares the time as well. */
export function samePayload(a: Envelope, b: Envelope, strictTime: boolean): boolean {
  if (strictTime && Date.parse(a.time) !== Date.parse(b.time)) return false;
  return payloadDigest(a).equals(payloadDigest(b));
}

/**
 * Whether two events, as bytes, state the same fact. Bytes that cannot be read as an event never equal
 * any others.
 */
export function saysTheSame(stored: Uint8Array, sent: Uint8Array, strictTime: boolean): boolean {
  const before = registry.decode(stored);
  const now = registry.decode(sent);
  if (before.kind === 'invalid' || now.kind === 'invalid') return false;
  return samePayload(before.envelope, now.envelope, strictTime);
}

/**
 * JSON with keys in order, so that equal values give equal text. Input must be JSON data. (Order and
 * numbers are those of RFC 8785, the JSON Canonicalization Scheme.)
 */
export function canonicalJson(value: unknown): string {
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  if (Array.isArray(value)) return `[${value.map((item) => canonicalJson(item)).join(',')}]`;
  const record = value as Record<string, unknown>;
  return canonicalObject(record, Object.keys(record));
}

function canonicalObject(record: Readonly<Record<string, unknown>>, names: string[]): string {
  let members = '';
  for (const name of names.toSorted()) {
    const value = record[name];
    if (value === undefined) continue;
    members += `${members === '' ? '' : ','}${JSON.stringify(name)}:${canonicalJson(value)}`;
  }
  return `{${members}}`;
}
