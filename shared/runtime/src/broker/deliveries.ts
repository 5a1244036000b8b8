import {
  createInbox,
  type Msg,
  nanos,
  type NatsConnection,
  type Subscription,
} from '@nats-io/transport-node';
import { Delivery } from './delivery.ts';

/** How long one request may stay open on a quiet stream; the server keeps no state beyond it. */
const EXPIRES_MS = 5_000;
/** How often the server confirms an open request. */
const IDLE_HEARTBEAT_MS = 500;
/** A request counts as lost after missing this many beats, for example when the server restarted. */
const MISSED_BEATS = 4;
/** How long the server may take to confirm that it sends no more messages. */
const CLOSE_LIMIT_MS = 1_000;

const STATUS = { heartbeat: 100, noMessages: 404, expired: 408 } as const;

/**
 * The messages of a durable, requested by one pull request at a time. One subscription, which outlives
 * the requests, receives all answers. The client's own `fetch()` does not offer that:
 * - an answer that is late, after a blocked event loop, is still received; `fetch()` has closed its
 *   subscription by then, and the message waits for its whole ack wait;
 * - a reconnect requests nothing twice; `fetch()` requests its original number again, which is more
 *   than there are free slots;
 * - closing keeps the messages that the server has already sent.
 */
export class Deliveries {
  readonly #connection: NatsConnection;
  readonly #target: string;
  readonly #inbox: string;
  readonly #subscription: Subscription;
  readonly #beats: NodeJS.Timeout;
  #messages: Delivery[] = [];
  #requests = 0;
  /** Messages the open request may still deliver; 0 when none is open. */
  #remaining = 0;
  #failure: Error | undefined;
  #missed = 0;
  #wake: (() => void) | undefined;
  #wakeAt = 1;

  constructor(
    connection: NatsConnection,
    durable: { readonly stream: string; readonly name: string },
  ) {
    this.#connection = connection;
    this.#target = `$JS.API.CONSUMER.MSG.NEXT.${durable.stream}.${durable.name}`;
    this.#inbox = createInbox();
    this.#subscription = connection.subscribe(`${this.#inbox}.*`, {
      callback: (error, message) => {
        if (error === null) this.#receive(message);
        else this.#end(error);
      },
    });
    this.#beats = setInterval(() => this.#watch(), IDLE_HEARTBEAT_MS);
  }

  get isOpen(): boolean {
    return this.#remaining > 0;
  }

  /** Requests `count` messages; the previous request must have ended. */
  ask(count: number): void {
    this.#requests += 1;
    this.#remaining = count;
    this.#failure = undefined;
    this.#missed = 0;
    const request = {
      batch: count,
      expires: nanos(EXPIRES_MS),
      idle_heartbeat: nanos(IDLE_HEARTBEAT_MS),
    };
    this.#connection.publish(this.#target, JSON.stringify(request), {
      reply: `${this.#inbox}.${this.#requests}`,
    });
  }

  /** Waits until `count` messages are there, the request has ended, or the limit is over. */
  async arrived(count: number, limitMs?: number): Promise<void> {
    if (this.#messages.length >= count || !this.isOpen) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#wakeAt = count;
    const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  /** Messages that are here, plus those that the open request may still deliver. */
  get expected(): number {
    return this.#messages.length + this.#remaining;
  }

  take(): Delivery[] {
    const taken = this.#messages;
    this.#messages = [];
    return taken;
  }

  /** The reason why the last request ended early, if it did. */
  get failure(): Error | undefined {
    return this.#failure;
  }

  /** Ends the wait for the open request; messages that it still delivers are received. */
  giveUp(): void {
    this.#end(undefined);
  }

  /** Tells the server to send no more, and waits for messages in transit. */
  async close(): Promise<void> {
    clearInterval(this.#beats);
    if (this.#subscription.isClosed() || this.#connection.isClosed()) return;
    const limit = Promise.withResolvers<void>();
    const timer = setTimeout(limit.resolve, CLOSE_LIMIT_MS);
    // A broken connection cannot confirm anything, and delivers nothing more either.
    await Promise.race([this.#subscription.drain().catch(() => undefined), limit.promise]);
    clearTimeout(timer);
    if (!this.#subscription.isClosed()) this.#subscription.unsubscribe();
  }

  #receive(message: Msg): void {
    this.#missed = 0;
    if (!message.subject.startsWith(this.#inbox)) {
      const delivery = new Delivery(this.#connection, message);
      if (!delivery.isAnswerable) {
        this.#end(new Error(`the message on ${message.subject} is no delivery: ${message.reply}`));
        return;
      }
      this.#messages.push(delivery);
      if (this.#remaining > 0) this.#remaining -= 1;
      if (this.#remaining === 0 || this.#messages.length >= this.#wakeAt) this.#wake?.();
      return;
    }
    // An answer to an older request says nothing about the open one.
    if (message.subject !== `${this.#inbox}.${this.#requests}`) return;
    const code = message.headers?.code ?? 0;
    if (code === STATUS.heartbeat) return;
    const isOrderly = code === STATUS.noMessages || code === STATUS.expired;
    const description = message.headers?.description ?? '';
    this.#end(
      isOrderly
        ? undefined
        : new Error(`the pull request ended: ${code} ${description || 'no responders'}`),
    );
  }

  /**
   * Counts beats, not time: a process that was stopped or blocked first receives what has arrived
   * meanwhile.
   */
  #watch(): void {
    if (!this.isOpen) return;
    this.#missed += 1;
    if (this.#missed >= MISSED_BEATS) this.#end(new Error('the server is silent'));
  }

  #end(failure: Error | undefined): void {
    if (!this.isOpen) return;
    this.#remaining = 0;
    this.#failure = failure;
    this.#wake?.();
  }
}
