import {
  type Decoded,
  eventKey,
  type MemoryEvent,
  parseStoredSubject,
  registry,
  verbOf,
} from '@memfleet/events';
import { handlerOf, isRepeatable, type Operation, type Projection } from '@memfleet/projections';
import { type Delivery, type FleetConfig, messageOf } from '@memfleet/runtime';

/** An event of the log as one projection reads it. */
export interface ReadEvent {
  readonly sequence: number;
  /** The tenant of its memory; empty when the event is irrelevant. */
  readonly tenant: string;
  readonly memory: string;
  readonly reading: Reading;
}

/** The same, with the message in which the lane received it. */
export interface LaneEvent extends ReadEvent {
  readonly message: Delivery;
}

/** The parts of a message that are read, however it arrived. */
type Message = Pick<Delivery, 'data' | 'subject' | 'seq'>;

export type Reading =
  /** It has no effect in this projection. */
  | { readonly kind: 'irrelevant' }
  | {
      readonly kind: 'operations';
      readonly operations: readonly Operation[];
      /** Set when a copy later in the log would have another effect, and so must be recognised. */
      readonly onceKey: string | undefined;
    }
  /** It is to blame: its memory is parked. */
  | { readonly kind: 'unreadable'; readonly reason: string }
  /** Only a newer version of this code can read it: the lane waits for that. */
  | { readonly kind: 'newer'; readonly reason: string };

/** Whether an event for newer code stops the lane or its memory alone. */
type OnNewer = FleetConfig['projections']['onNewer'];

const IRRELEVANT: Reading = { kind: 'irrelevant' };

/** Turns bytes into row operations of one projection. The result depends only on the message. */
export class EventReader {
  readonly #projection: Projection;
  readonly #root: string;
  /** Verbs of events without effect here: a message whose subject has one need not be decoded. */
  readonly #ignored: ReadonlySet<string>;
  readonly #onNewer: OnNewer;

  constructor(projection: Projection, root: string, onNewer: OnNewer = 'halt') {
    this.#projection = projection;
    this.#root = root;
    this.#onNewer = onNewer;
    const types = registry.types.map(({ type }) => type);
    const handled = new Set(types.filter((type) => handlerOf(projection, type)).map(verbOf));
    this.#ignored = new Set(types.map(verbOf).filter((verb) => !handled.has(verb)));
  }

  read<Given extends Message>(message: Given): ReadEvent & { readonly message: Given } {
    const { subject, seq: sequence } = message;
    const verb = verbOf(subject);
    // Events without a handler are not decoded: two of the three projections here skip most events.
    if (this.#ignored.has(verb)) {
      return { message, sequence, tenant: '', memory: '', reading: IRRELEVANT };
    }
    const decoded = this.#decode(message);
    if (decoded.kind === 'known') {
      const { event } = decoded;
      const reading = this.#handle(event, sequence);
      return { message, sequence, tenant: event.tenantid, memory: event.subject, reading };
    }
    const { reason } = decoded;
    const place = parseStoredSubject(this.#root, subject);
    return {
      message,
      sequence,
      tenant: place?.tenant ?? 'unknown',
      memory: place?.memory ?? 'unknown',
      reading: {
        kind: decoded.kind === 'invalid' || this.#onNewer === 'park' ? 'unreadable' : 'newer',
        reason,
      },
    };
  }

  /** A subject that matches its event need not be parsed, which saves a tenth of all decoding. */
  #decode({ data, subject }: Message): Decoded {
    const decoded = registry.decode(data);
    if (decoded.kind === 'known') {
      const { tenantid, subject: memory, type } = decoded.envelope;
      const eventClass = registry.definition(type)?.eventClass;
      const tail = `.${tenantid}.${memory}.${eventClass}.${verbOf(type)}`;
      const partitionAt = this.#root.length + 1;
      const isFitting =
        subject.endsWith(tail) &&
        subject.indexOf('.', partitionAt) === subject.length - tail.length;
      if (isFitting) return decoded;
    }
    return registry.decode(data, { root: this.#root, subject });
  }

  #handle(event: MemoryEvent, sequence: number): Reading {
    const handler = handlerOf(this.#projection, event.type);
    if (handler === undefined) return IRRELEVANT;
    const position = new EventPosition(event, sequence);
    try {
      const operations = handler(event, position);
      const onceKey = isRepeatable(this.#projection, event.type) ? undefined : position.eventKey;
      return { kind: 'operations', operations, onceKey };
    } catch (error) {
      return { kind: 'unreadable', reason: `the handler failed: ${messageOf(error)}` };
    }
  }
}

/** The key costs a SHA-256, which most events need not pay. */
class EventPosition {
  readonly sequence: number;
  readonly #event: MemoryEvent;
  #eventKey: string | undefined;

  constructor(event: MemoryEvent, sequence: number) {
    this.#event = event;
    this.sequence = sequence;
  }

  get eventKey(): string {
    this.#eventKey ??= eventKey(this.#event);
    return this.#eventKey;
  }
}
