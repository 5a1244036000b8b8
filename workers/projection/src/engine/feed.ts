import { type Delivery, messageOf, pull, type PullOptions } from '@memfleet/runtime';
import type { Inbox } from './inbox.ts';

export interface FeedOptions {
  readonly connection: PullOptions['connection'];
  readonly consumer: Parameters<typeof pull>[0];
  readonly inbox: Inbox;
  /** Everything up to here is applied. */
  readonly position: number;
  /** The first position from here on that the log has for this lane; undefined without one. */
  readonly nextInLog: (from: number) => Promise<number | undefined>;
  readonly batch: number;
  readonly signal: AbortSignal;
  readonly onTrouble: (error: unknown) => void;
}

/** The broker's deliveries do not join on: what was read may be a hole, or another stream's. */
export class BrokenDelivery extends Error {
  override readonly name = 'BrokenDelivery';
}

/** Reads the durable into the inbox until the signal, the inbox's end or a break. */
export async function feed(options: FeedOptions): Promise<void> {
  const { consumer, inbox, signal, position, nextInLog } = options;
  const order = new DeliveryOrder(position);
  let isFirst = true;
  try {
    const batches = pull(consumer, {
      connection: options.connection,
      batch: options.batch,
      // What has come is handed on at once: the lane decides what is worth waiting for.
      lingerMs: 0,
      room: () => inbox.room(),
      signal,
      onTrouble: options.onTrouble,
    });
    for await (const messages of batches) {
      const [first] = messages;
      if (isFirst && first !== undefined) await checkFirst(first.seq, position, nextInLog);
      isFirst = false;
      inbox.put(messages.filter((message) => order.isNext(message)));
    }
    inbox.end();
  } catch (error) {
    inbox.end(error instanceof Error ? error : new Error(messageOf(error)));
  }
}

/**
 * Whether the first delivery is where the lane goes on. Deliveries number themselves from a reset on,
 * so a later reset shows as a break, unless nothing was delivered before it: one that an earlier owner
 * sent, and that arrives late, may leave out what the lane has not read.
 * @throws BrokenDelivery
 */
async function checkFirst(
  seq: number,
  position: number,
  nextInLog: FeedOptions['nextInLog'],
): Promise<void> {
  if (seq <= position + 1) return;
  const expected = await nextInLog(position + 1);
  if (expected === seq) return;
  throw new BrokenDelivery(
    `the durable begins at position ${seq}, and the log has ${expected ?? 'nothing'} for the lane after ${position}`,
  );
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
