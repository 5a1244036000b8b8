import { type Delivery, messageOf, pull, type PullOptions } from '@memfleet/runtime';
import type { Inbox } from './inbox.ts';

export interface FeedOptions {
  readonly connection: PullOptions['connection'];
  readonly consumer: Parameters<typeof pull>[0];
  readonly inbox: Inbox;
  /** Everything up to here is applied. */
  readonly position: number;
  /** The first position at or after `from` that the log holds for this lane; undefined if none. */
  readonly nextInLog: (from: number) => Promise<number | undefined>;
  readonly batch: number;
  readonly signal: AbortSignal;
  readonly onTrouble: (error: unknown) => void;
}

/** The broker's deliveries are not contiguous: there may be a hole, or the stream is another one. */
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
      // Messages are handed on at once: the lane decides how long to wait for more.
      lingerMs: 0,
      room: async () => ({ count: await inbox.room() }),
      signal,
      onTrouble: options.onTrouble,
    });
    for await (const { messages } of batches) {
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
 * Checks that the first delivery is where the lane continues. A reset restarts the numbering of
 * deliveries, so a later reset shows as a break, unless nothing was delivered before it: a late reset
 * by an earlier owner may skip events that the lane has not read.
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

/** Checks that no delivery is missing and that no position holds a second event. */
class DeliveryOrder {
  #position: number;
  /** The durable was reset, so it numbers its deliveries from 1. */
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
    // A first delivery of an old position is another event: the stream itself may have gone back.
    if (!redelivered) {
      throw new BrokenDelivery(
        `position ${seq} was delivered as a new event, after ${this.#position}`,
      );
    }
    return false;
  }
}
