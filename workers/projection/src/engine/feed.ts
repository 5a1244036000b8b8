import { setImmediate as breathe } from 'node:timers/promises';
import { type Delivery, messageOf, pull, type PullOptions, RuntimeError } from '@memfleet/runtime';
import type { Inbox } from './inbox.ts';
import type { EventReader, LaneEvent } from './read-event.ts';

export interface FeedOptions {
  readonly connection: PullOptions['connection'];
  readonly consumer: Parameters<typeof pull>[0];
  readonly reader: EventReader;
  readonly inbox: Inbox;
  /** Everything up to here is applied. */
  readonly position: number;
  readonly batch: number;
  readonly lingerMs: number;
  readonly signal: AbortSignal;
  readonly onTrouble: (error: unknown) => void;
}

/** The broker's deliveries do not join on: what was read may be a hole, or another stream's. */
export class BrokenDelivery extends Error {
  override readonly name = 'BrokenDelivery';
}

/** A newer version must read on; nothing is skipped meanwhile. */
class NewerEvent extends RuntimeError {
  constructor(sequence: number, reason: string) {
    super('LANE_HALTED', `position ${sequence}: ${reason}`);
  }
}

/** Events decoded between two looks at the sockets: about a millisecond of work. */
const SLICE = 100;

/**
 * Reads the durable into the inbox until the signal, the inbox's end or a break. Decoding goes in
 * slices, so that the transaction which runs meanwhile gets its answers in time.
 */
export async function feed(options: FeedOptions): Promise<void> {
  const { consumer, reader, inbox, signal } = options;
  const order = new DeliveryOrder(options.position);
  try {
    const batches = pull(consumer, {
      connection: options.connection,
      batch: options.batch,
      lingerMs: options.lingerMs,
      room: () => inbox.room(),
      signal,
      onTrouble: options.onTrouble,
    });
    for await (const messages of batches) {
      if (!(await readAll(messages, order, reader, inbox))) return;
    }
    inbox.end();
  } catch (error) {
    inbox.end(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

/** @returns false when an event ended the inbox */
async function readAll(
  messages: readonly Delivery[],
  order: DeliveryOrder,
  reader: EventReader,
  inbox: Inbox,
): Promise<boolean> {
  for (let start = 0; start < messages.length; start += SLICE) {
    if (start > 0) await breathe();
    const events: LaneEvent[] = [];
    for (const message of messages.slice(start, start + SLICE)) {
      if (!order.isNext(message)) continue;
      const event = reader.read(message);
      if (event.reading.kind === 'newer') {
        inbox.put(events);
        inbox.end(new NewerEvent(event.sequence, event.reading.reason));
        return false;
      }
      events.push(event);
    }
    inbox.put(events);
  }
  return true;
}

/** Watches that nothing is missing between two deliveries and nothing is told anew. */
class DeliveryOrder {
  #position: number;
  /** The durable was reset: it counts its deliveries from 1. */
  #delivery = 0;

  constructor(position: number) {
    this.#position = position;
  }

  /**
   * False for a redelivery of what was read before.
   * @throws BrokenDelivery
   */
  isNext({ seq, redelivered, info }: Delivery): boolean {
    const { deliverySequence } = info;
    if (deliverySequence !== this.#delivery + 1) {
      throw new BrokenDelivery(
        `delivery ${deliverySequence} came after ${this.#delivery}, at position ${seq}`,
      );
    }
    this.#delivery = deliverySequence;
    if (seq > this.#position) {
      this.#position = seq;
      return true;
    }
    // A number given out a second time is not the same event: the stream itself may have gone back.
    if (!redelivered) {
      throw new BrokenDelivery(`position ${seq} was delivered anew, after ${this.#position}`);
    }
    return false;
  }
}
