import { type Decoded, eventKey, payloadDigest, registry } from '@memfleet/events';
import type { ClaimRequest } from './dedupe.ts';
import type { Held } from './in-flight.ts';
import { type Outcome, park, retry } from './outcome.ts';

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

/** Bytes → events. `root` is the first token of the log's subjects. */
export function readBatch(batch: readonly Held[], root: string): ReadBatch {
  const readable: Readable[] = [];
  const twins: Held[] = [];
  const unreadable: Unreadable[] = [];
  const seen = new Set<string>();
  for (const held of batch) {
    const { message } = held;
    const decoded = registry.decode(message.data, { root, subject: message.subject });
    if (decoded.kind !== 'known') {
      unreadable.push({ held, decoded, outcome: outcomeOf(decoded, message.info.deliveryCount) });
      continue;
    }
    const { envelope } = decoded;
    const key = eventKey(envelope);
    if (seen.has(key)) {
      twins.push(held);
      continue;
    }
    seen.add(key);
    const request = {
      key,
      tenant: envelope.tenantid,
      eventId: envelope.id,
      sequence: message.info.streamSequence,
      digest: payloadDigest(envelope),
    };
    readable.push({ held, decoded, request });
  }
  return { readable, twins, unreadable };
}

function outcomeOf(decoded: Exclude<Decoded, Known>, deliveries: number): Outcome<never> {
  if (decoded.kind === 'invalid') return park('invalid_event', decoded.reason);
  // In a rolling deploy a newer worker takes it; this one leaves it alone for a while.
  if (deliveries < NEWER_VERSION_DELIVERIES) return retry(NEWER_VERSION_MS, decoded.reason, false);
  return park(decoded.kind === 'newer' ? 'newer_version' : 'unknown_type', decoded.reason);
}
