import {
  type Decoded,
  eventKey,
  type EventRegistry,
  payloadDigest,
  registry,
} from '@memfleet/events';
import { messageOf } from '@memfleet/runtime';
import type { Held } from '../admission/in-flight.ts';
import type { ClaimRequest } from '../claims/dedupe.ts';
import { type Outcome, park, retry } from '../outcome.ts';

type Known = Extract<Decoded, { kind: 'known' }>;

/** An event that can be claimed. */
export interface Readable {
  readonly held: Held;
  readonly decoded: Known;
  readonly request: ClaimRequest;
}

/** One that today's registry cannot read, and what is to be done with it. */
export interface Unreadable {
  readonly held: Held;
  readonly decoded: Exclude<Decoded, Known>;
  readonly outcome: Outcome<never>;
}

export interface ReadBatch {
  readonly readable: readonly Readable[];
  /** The same event again within the batch: one is claimed, the others are looked at later. */
  readonly twins: readonly Held[];
  readonly unreadable: readonly Unreadable[];
}

const NEWER_VERSION_MS = 30_000;
/** Deliveries (about ten minutes) that a rolling deploy may take before a newer event is parked. */
const NEWER_VERSION_DELIVERIES = 20;

/** What reads bytes. */
export type Reader = Pick<EventRegistry, 'decode'>;

/**
 * Bytes → events. `root` is the first token of the log's subjects. Whatever the bytes of one event make
 * throw is that event's alone: it is parked, and can be redriven when what reads it is repaired.
 */
export function readBatch(
  batch: readonly Held[],
  root: string,
  reader: Reader = registry,
): ReadBatch {
  const readable: Readable[] = [];
  const twins: Held[] = [];
  const unreadable: Unreadable[] = [];
  const seen = new Set<string>();
  for (const held of batch) {
    const read = readOne(held, root, reader);
    if ('outcome' in read) unreadable.push(read);
    else if (seen.has(read.request.key)) twins.push(held);
    else {
      seen.add(read.request.key);
      readable.push(read);
    }
  }
  return { readable, twins, unreadable };
}

function readOne(held: Held, root: string, reader: Reader): Readable | Unreadable {
  const { message } = held;
  try {
    const decoded = reader.decode(message.data, { root, subject: message.subject });
    if (decoded.kind !== 'known') {
      return { held, decoded, outcome: outcomeOf(decoded, message.info.deliveryCount) };
    }
    const { envelope } = decoded;
    const request = {
      key: eventKey(envelope),
      tenant: envelope.tenantid,
      eventId: envelope.id,
      sequence: message.info.streamSequence,
      digest: payloadDigest(envelope),
    };
    return { held, decoded, request };
  } catch (error) {
    const decoded: Unreadable['decoded'] = {
      kind: 'invalid',
      reason: `it could not be read: ${messageOf(error)}`,
    };
    return { held, decoded, outcome: outcomeOf(decoded, 0) };
  }
}

function outcomeOf(decoded: Exclude<Decoded, Known>, deliveries: number): Outcome<never> {
  if (decoded.kind === 'invalid') return park('invalid_event', decoded.reason);
  // In a rolling deploy a newer worker takes it; this one leaves it alone for a while.
  if (deliveries < NEWER_VERSION_DELIVERIES) return retry(NEWER_VERSION_MS, decoded.reason, false);
  return park(decoded.kind === 'newer' ? 'newer_version' : 'unknown_type', decoded.reason);
}
