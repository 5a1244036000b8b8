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
import { type Outcome, park } from '../outcome.ts';
import type { Patience } from './patience.ts';

type Known = Extract<Decoded, { kind: 'known' }>;

/** An event that can be claimed. */
export interface Readable {
  readonly held: Held;
  readonly decoded: Known;
  readonly request: ClaimRequest;
}

/** An event that this version of the stage cannot read. */
interface Unknown {
  readonly held: Held;
  readonly decoded: Exclude<Decoded, Known>;
}

/** An event that this version cannot read and that is parked. */
export interface Unreadable extends Unknown {
  readonly outcome: Outcome<never>;
}

export interface ReadBatch {
  readonly readable: readonly Readable[];
  /** Further copies of an event in the same batch: one is claimed, the others are looked at later. */
  readonly twins: readonly Held[];
  readonly unreadable: readonly Unreadable[];
  /** Events that a newer worker may know: during a rolling deploy, it takes them. */
  readonly early: readonly Unknown[];
}

/** Decodes bytes into events. */
export type Reader = Pick<EventRegistry, 'decode'>;

/**
 * Turns bytes into events. `root` is the first token of the log's subjects. An error caused by the bytes of
 * one event affects only that event: it is parked, and can be redriven once the reader is fixed.
 */
export function readBatch(
  batch: readonly Held[],
  root: string,
  patience: Patience,
  reader: Reader = registry,
): ReadBatch {
  const readable: Readable[] = [];
  const twins: Held[] = [];
  const unreadable: Unreadable[] = [];
  const early: Unknown[] = [];
  const seen = new Set<string>();
  for (const held of batch) {
    const read = readOne(held, root, reader);
    if (!('request' in read)) {
      const outcome = outcomeOf(read, patience);
      if (outcome === undefined) early.push(read);
      else unreadable.push({ ...read, outcome });
    } else if (seen.has(read.request.key)) twins.push(held);
    else {
      seen.add(read.request.key);
      readable.push(read);
    }
  }
  return { readable, twins, unreadable, early };
}

function readOne(held: Held, root: string, reader: Reader): Readable | Unknown {
  const { message } = held;
  try {
    const decoded = reader.decode(message.data, { root, subject: message.subject });
    if (decoded.kind !== 'known') return { held, decoded };
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
    const decoded = {
      kind: 'invalid' as const,
      reason: `it could not be read: ${messageOf(error)}`,
    };
    return { held, decoded };
  }
}

/** @returns undefined while a newer worker may still come */
function outcomeOf({ held, decoded }: Unknown, patience: Patience): Outcome<never> | undefined {
  if (decoded.kind === 'invalid') return park('invalid_event', decoded.reason);
  if (!patience.isOver(held.message.info.streamSequence)) return undefined;
  return park(decoded.kind === 'newer' ? 'newer_version' : 'unknown_type', decoded.reason);
}
