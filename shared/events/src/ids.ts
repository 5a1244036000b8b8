import { hash } from 'node:crypto';
import { v7 } from 'uuid';
import { z } from 'zod';

/**
 * Tenant and memory ids become subject tokens. NATS itself stores `*`, `>` and NUL in a subject
 * literally, so only the narrow alphabet keeps one tenant's subject from matching another's.
 */
export const TOKEN_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

export const token = z
  .string()
  .regex(TOKEN_PATTERN, { error: 'must be 1 to 64 letters, digits, "_" or "-"' });

/** Namespace of every name-based id made here: any fixed UUID would do, but this one must never change. */
const NAMESPACE = Buffer.from('b0d2c1f46f3b5c599d532f1b7e3a8c60', 'hex');

/** The identity of an event: source + id, according to CloudEvents; tenants never share either. */
export interface EventIdentity {
  readonly tenantid: string;
  readonly source: string;
  readonly id: string;
}

/** A fresh id for an upstream event: UUIDv7, so that ids sort roughly by time. */
export function newEventId(): string {
  return v7();
}

/** UUIDv5: the same name always gives the same id, for example for events from lines without an id. */
export function nameBasedId(...name: readonly string[]): string {
  const bytes = Buffer.concat([NAMESPACE, Buffer.from(JSON.stringify(name))]);
  return uuidOf(5, hash('sha1', bytes, 'hex'));
}

/**
 * The key of an event in every dedupe table, and its Msg-Id: SHA-256 over tenant, source and id,
 * the first 128 bits written as a UUIDv8. It is not the bare id, because ids are chosen upstream:
 * with the bare id one tenant could suppress another tenant's event by using its id first.
 */
export function eventKey({ tenantid, source, id }: EventIdentity): string {
  return uuidOf(8, hash('sha256', `${tenantid}\u0000${source}\u0000${id}`, 'hex'));
}

/**
 * The id of the n-th event that a stage derives from a cause. Every computation gives the same id, so a
 * repeated publish is recognised as the same event. A caller that has the cause's key passes it, which
 * saves a hash.
 */
export function derivedEventId(
  cause: EventIdentity,
  stage: string,
  stageVersion: number,
  ordinal: number,
  causeKey = eventKey(cause),
): string {
  return nameBasedId('derived', causeKey, stage, String(stageVersion), String(ordinal));
}

/** The first 128 bits of a hash as a UUID (RFC 9562) of the given version. */
function uuidOf(version: 5 | 8, hex: string): string {
  const variant = ((Number.parseInt(hex.charAt(16), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${version}${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
