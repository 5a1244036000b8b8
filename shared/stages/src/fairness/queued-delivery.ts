import type { DeliveryInfo, Received } from '@memfleet/runtime';
import type { StoredMsg } from '@nats-io/jetstream';
import type { MsgHdrs } from '@nats-io/transport-node';

/** A row of the tenant queue in the hands of a process. */
export interface TakenRow {
  readonly tenant: string;
  readonly sequence: number;
  readonly deliveries: number;
}

interface Answering {
  readonly consumer: string;
  readonly ackWaitMs: number;
  /** Without a time, the event is finished; otherwise it is available again after this time. */
  readonly answer: (againMs: number | undefined) => Promise<void>;
}

/** An event from the tenant queue: an answer that a delivery sends to the broker goes to a row here. */
export class QueuedDelivery implements Received {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly redrives = 0;
  readonly info: DeliveryInfo;
  readonly #message: StoredMsg;
  readonly #answering: Answering;
  #isAnswered = false;

  constructor(message: StoredMsg, taken: TakenRow, answering: Answering) {
    this.subject = message.subject;
    this.data = message.data;
    this.#message = message;
    this.info = {
      consumer: answering.consumer,
      streamSequence: taken.sequence,
      deliverySequence: 0,
      deliveryCount: taken.deliveries,
      timestampNanos: message.time.getTime() * 1_000_000,
      pending: 0,
    };
    this.#answering = answering;
  }

  /** Parsed on demand, and it throws then if they cannot be parsed. */
  get headers(): MsgHdrs {
    return this.#message.header;
  }

  working(): void {
    if (!this.#isAnswered) this.#say(this.#answering.ackWaitMs);
  }

  ack(): void {
    if (this.#isFirst()) this.#say(undefined);
  }

  async ackAck(): Promise<void> {
    if (this.#isFirst()) await this.#answering.answer(undefined);
  }

  nak(afterMs = 0): void {
    if (this.#isFirst()) this.#say(afterMs);
  }

  async term(): Promise<void> {
    if (this.#isFirst()) await this.#answering.answer(undefined);
  }

  #isFirst(): boolean {
    const isFirst = !this.#isAnswered;
    this.#isAnswered = true;
    return isFirst;
  }

  /** As with the broker, a lost answer redelivers the event and does no harm. */
  #say(againMs: number | undefined): void {
    this.#answering.answer(againMs).catch(() => undefined);
  }
}
