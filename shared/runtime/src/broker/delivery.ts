import type { Msg, MsgHdrs, NatsConnection } from '@nats-io/transport-node';

/** The server's information about one delivery, from the subject to which acks go. */
export interface DeliveryInfo {
  readonly consumer: string;
  readonly streamSequence: number;
  /** Number among all deliveries of the consumer: a gap means that one was missed. */
  readonly deliverySequence: number;
  /** 1 for the first delivery. */
  readonly deliveryCount: number;
  /** When it was stored, in ns since 1970 (as exact as a double can be). */
  readonly timestampNanos: number;
  /** Messages waiting after this one. */
  readonly pending: number;
}

/** The event of the log that a message of another stream represents. */
export interface Original {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly sequence: number;
  readonly redrives: number;
}

/** An event as a stage receives it, from any source. */
export type Received = Pick<
  Delivery,
  | 'subject'
  | 'data'
  | 'redrives'
  | 'headers'
  | 'info'
  | 'working'
  | 'ack'
  | 'ackAck'
  | 'nak'
  | 'term'
>;

const ACK = '+ACK';
const WORKING = '+WPI';
const CONFIRM_LIMIT_MS = 5_000;

/**
 * One delivery of a stream message. The client creates such objects only inside its own pull loops;
 * this one can also confirm a `term`, which parking needs.
 */
export class Delivery {
  readonly #connection: NatsConnection;
  readonly #message: Msg;
  readonly #original: Original | undefined;
  #info: DeliveryInfo | undefined;
  #isAnswered = false;

  constructor(connection: NatsConnection, message: Msg, original?: Original) {
    this.#connection = connection;
    this.#message = message;
    this.#original = original;
  }

  /** The same delivery, read as that event of the log; do not answer this one any more. */
  standingFor(original: Original): Delivery {
    return new Delivery(this.#connection, this.#message, original);
  }

  get subject(): string {
    return this.#original?.subject ?? this.#message.subject;
  }

  get data(): Uint8Array {
    return this.#original?.data ?? this.#message.data;
  }

  /** The number of its redrive; 0 when it comes from the log. */
  get redrives(): number {
    return this.#original?.redrives ?? 0;
  }

  /**
   * Also undefined when they cannot be read: the server accepts names that the client refuses, and bad
   * headers must not prevent the event from being processed or parked.
   */
  get headers(): MsgHdrs | undefined {
    try {
      return this.#message.headers;
    } catch {
      return undefined;
    }
  }

  /** False for a message that our server did not send as a delivery: its `info` would throw. */
  get isAnswerable(): boolean {
    try {
      return Number.isSafeInteger(this.info.streamSequence);
    } catch {
      return false;
    }
  }

  get info(): DeliveryInfo {
    if (this.#info === undefined) {
      const info = parseInfo(this.#message.reply ?? '');
      this.#info = { ...info, streamSequence: this.#original?.sequence ?? info.streamSequence };
    }
    return this.#info;
  }

  /** Position in the log. */
  get seq(): number {
    return this.info.streamSequence;
  }

  get redelivered(): boolean {
    return this.info.deliveryCount > 1;
  }

  /** Work continues: restarts the ack wait. */
  working(): void {
    if (!this.#isAnswered) this.#say(WORKING);
  }

  ack(): void {
    this.#answer(ACK);
  }

  /** Resolves when the server has received the ack. */
  async ackAck(): Promise<void> {
    await this.#confirmed(ACK);
  }

  /** Gives the message back for redelivery after a time. */
  nak(afterMs = 0): void {
    const nanos = Math.round(Math.max(0, afterMs)) * 1_000_000;
    this.#answer(nanos === 0 ? '-NAK' : `-NAK {"delay": ${nanos}}`);
  }

  /** Ends redelivery, with a reason that the server's advisory repeats. The server confirms it. */
  async term(reason: string): Promise<void> {
    await this.#confirmed(`+TERM ${reason}`);
  }

  #answer(payload: string): void {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    this.#say(payload);
  }

  /** A closed connection throws; the redelivery asks again for an answer that could not be sent. */
  #say(payload: string): void {
    try {
      this.#message.respond(payload);
    } catch {
      // The end of a connection ends the worker, which reports it.
    }
  }

  async #confirmed(payload: string): Promise<void> {
    if (this.#isAnswered) return;
    this.#isAnswered = true;
    await this.#connection.request(this.#message.reply ?? '', payload, {
      timeout: CONFIRM_LIMIT_MS,
    });
  }
}

/**
 * $JS.ACK.<stream>.<consumer>.<count>.<stream sequence>.<delivery sequence>.<time>.<pending>, or with
 * domain and account in front of the stream (and a token behind).
 */
function parseInfo(reply: string): DeliveryInfo {
  const tokens = reply.split('.');
  const first = tokens.length === 9 ? 4 : 6;
  const consumer = tokens[first - 1];
  const [deliveryCount, streamSequence, deliverySequence, timestampNanos, pending] = tokens
    .slice(first, first + 5)
    .map(Number);
  if (
    !reply.startsWith('$JS.ACK.') ||
    consumer === undefined ||
    deliveryCount === undefined ||
    streamSequence === undefined ||
    deliverySequence === undefined ||
    timestampNanos === undefined ||
    pending === undefined
  ) {
    throw new Error('not a message of a stream');
  }
  return { consumer, deliveryCount, streamSequence, deliverySequence, timestampNanos, pending };
}
