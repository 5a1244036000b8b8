import { setTimeout as delay } from 'node:timers/promises';
import type { Consumer, ConsumerMessages, JsMsg } from '@nats-io/jetstream';
import { messageOf, RuntimeError } from '../errors.ts';

export interface PullOptions {
  /** Most messages in one batch. */
  readonly batch: number;
  /** How long a batch that has a message waits for more, in ms. */
  readonly lingerMs: number;
  /**
   * How many messages may be asked for now; waits while there is no room. The ack timer starts when
   * a message reaches the client, so nothing is asked for that cannot be worked on at once.
   */
  readonly room: () => Promise<number>;
  readonly signal: AbortSignal;
  /** Told when a request failed and will be made again. */
  readonly onTrouble?: (error: unknown) => void;
}

/** How long one request may stay open on a quiet stream; the server keeps no state beyond it. */
const EXPIRES_MS = 5_000;

/**
 * Batches of messages for as long as the signal allows. It asks by `fetch()`: the client's
 * `consume()` ignores a leader change and stalls for its idle timeout (measured: 42 s; a fetch loop
 * is back in 54 ms), and does not end when the consumer is deleted.
 *
 * A loop as an async generator over an AbortSignal is Emmett's idea.
 * @throws RuntimeError CONSUMER_MISSING when the stream or the durable is gone
 */
export async function* pull(consumer: Consumer, options: PullOptions): AsyncGenerator<JsMsg[]> {
  const { signal } = options;
  let failures = 0;
  while (!signal.aborted) {
    const wanted = Math.min(options.batch, await options.room());
    if (signal.aborted) return;
    if (wanted <= 0) continue;
    try {
      yield* fetchBatches(consumer, wanted, options);
      failures = 0;
    } catch (error) {
      if (signal.aborted) return;
      await failIfGone(consumer, error);
      failures += 1;
      options.onTrouble?.(error);
      await delay(Math.min(2_000, 25 * 2 ** failures), undefined, { signal }).catch(ignoreAbort);
    }
  }
}

/** One request, in as many batches as the linger makes of it. */
async function* fetchBatches(
  consumer: Consumer,
  wanted: number,
  { lingerMs, signal }: PullOptions,
): AsyncGenerator<JsMsg[]> {
  const messages = await consumer.fetch({ max_messages: wanted, expires: EXPIRES_MS });
  // Stopping keeps what has arrived: it is still handed out, so that the caller can nak it now
  // instead of leaving it to the ack wait.
  const stop = (): void => messages.stop();
  signal.addEventListener('abort', stop, { once: true });
  if (signal.aborted) stop();
  const inbox = new Inbox(messages);
  const startedAt = performance.now();
  let received = 0;
  try {
    for (;;) {
      if (!(await inbox.first())) break;
      await inbox.filled(wanted - received, lingerMs);
      const batch = inbox.take();
      received += batch.length;
      yield batch;
    }
  } finally {
    signal.removeEventListener('abort', stop);
    messages.stop();
  }
  // A request that comes back at once with nothing means trouble that the client does not report,
  // such as a deleted consumer; without this it would be asked again in a tight loop.
  if (received === 0 && performance.now() - startedAt < EXPIRES_MS / 2 && !signal.aborted) {
    throw new Error('the pull request ended early without a message');
  }
}

/** What has arrived and was not taken: one push a message, however they are batched. */
class Inbox {
  #messages: JsMsg[] = [];
  #ended = false;
  #error: unknown;
  #wake: (() => void) | undefined;
  #wakeAt = 1;

  constructor(source: ConsumerMessages) {
    void this.#fill(source);
  }

  /** Waits for a message. @returns false when there will be none. */
  async first(): Promise<boolean> {
    await this.#until(1);
    if (this.#messages.length === 0 && this.#error !== undefined) throw this.#error;
    return this.#messages.length > 0;
  }

  /** Waits until so many are there, but no longer than the linger. */
  async filled(count: number, lingerMs: number): Promise<void> {
    await this.#until(count, lingerMs);
  }

  take(): JsMsg[] {
    const taken = this.#messages;
    this.#messages = [];
    return taken;
  }

  async #until(count: number, limitMs?: number): Promise<void> {
    if (this.#messages.length >= count || this.#ended) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    this.#wakeAt = count;
    const timer = limitMs === undefined ? undefined : setTimeout(resolve, limitMs);
    await promise;
    clearTimeout(timer);
    this.#wake = undefined;
  }

  async #fill(source: ConsumerMessages): Promise<void> {
    try {
      for await (const message of source) {
        if (this.#messages.push(message) >= this.#wakeAt) this.#wake?.();
      }
    } catch (error) {
      this.#error = error;
    }
    this.#ended = true;
    this.#wake?.();
  }
}

/** A stream or durable that is gone must end the worker; it is never recreated silently. */
async function failIfGone(consumer: Consumer, cause: unknown): Promise<void> {
  try {
    await consumer.info();
  } catch (error) {
    if (/not found/i.test(messageOf(error))) {
      throw new RuntimeError('CONSUMER_MISSING', `the durable is gone: ${messageOf(error)}`, cause);
    }
  }
}

function ignoreAbort(error: unknown): void {
  if (!(error instanceof Error) || error.name !== 'AbortError') throw error;
}
