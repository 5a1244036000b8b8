import { type Consumer, JetStreamApiError } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { sleep } from '../async/sleep.ts';
import { RuntimeError } from '../errors.ts';
import { Deliveries } from './deliveries.ts';
import type { Delivery } from './delivery.ts';

/** One request for messages. A caller may add what it needs to know when they come. */
export interface PullRequest {
  /** Most messages; none are requested for 0. */
  readonly count: number;
}

export interface Pulled<Request extends PullRequest> {
  readonly messages: Delivery[];
  readonly request: Request;
}

export interface PullOptions<Request extends PullRequest = PullRequest> {
  readonly connection: NatsConnection;
  /** Most messages in one batch. */
  readonly batch: number;
  /** How long a batch that has a message waits for more, in ms. */
  readonly lingerMs: number;
  /**
   * What may be requested now; waits while there is no room. The ack timer starts when a message reaches
   * the client, so nothing is requested that cannot be worked on at once.
   */
  readonly room: () => Promise<Request>;
  readonly signal: AbortSignal;
  /** Told when a request failed and will be made again. */
  readonly onTrouble?: (error: unknown) => void;
  /** Told when a request ended without a message: nothing waits that the durable gives out now. */
  readonly onEmpty?: () => void;
}

/** The server's codes for a stream and a consumer that do not exist (server/errors.json). */
const GONE: ReadonlySet<number> = new Set([10059, 10014]);
/** A server that is just starting may not know its consumers yet: it is asked twice. */
const SECOND_LOOK_MS = 500;

/**
 * Batches of messages for as long as the signal allows, by one pull request after the other: the
 * client's `consume()` ignores a leader change and stalls for its idle timeout (measured: 42 s; a
 * loop of requests is back in 54 ms), and does not end when the consumer is deleted. After the
 * signal, what the server has sent already is still handed out, so that it can be given back.
 *
 * A loop as an async generator over an AbortSignal is Emmett's idea.
 * @throws RuntimeError CONSUMER_MISSING when the stream or the durable is gone
 */
export async function* pull<Request extends PullRequest>(
  consumer: Consumer,
  options: PullOptions<Request>,
): AsyncGenerator<Pulled<Request>> {
  const { connection, signal } = options;
  const { stream_name: stream, name } = await consumer.info(true);
  const deliveries = new Deliveries(connection, { stream, name });
  const onAbort = (): void => deliveries.giveUp();
  signal.addEventListener('abort', onAbort, { once: true });
  let failures = 0;
  let request: Request | undefined;
  try {
    while (!signal.aborted) {
      const next = await options.room();
      if (signal.aborted) break;
      request = next;
      const wanted = Math.min(options.batch, next.count);
      if (wanted <= 0) continue;
      deliveries.ask(wanted);
      let isEmpty = true;
      for await (const messages of batches(deliveries, options.lingerMs)) {
        isEmpty = false;
        yield { messages, request: next };
      }
      const { failure } = deliveries;
      if (failure === undefined) {
        failures = 0;
        if (isEmpty) options.onEmpty?.();
        continue;
      }
      failures += 1;
      options.onTrouble?.(failure);
      await recover(consumer, options, failures, failure);
    }
    await deliveries.close();
    const messages = deliveries.take();
    if (request !== undefined && messages.length > 0) yield { messages, request };
  } finally {
    signal.removeEventListener('abort', onAbort);
    await deliveries.close();
  }
}

/** What one request brings, in as many batches as the linger makes of it. */
async function* batches(deliveries: Deliveries, lingerMs: number): AsyncGenerator<Delivery[]> {
  for (;;) {
    await deliveries.arrived(1);
    if (deliveries.isOpen) await deliveries.arrived(deliveries.expected, lingerMs);
    const batch = deliveries.take();
    if (batch.length > 0) yield batch;
    else if (!deliveries.isOpen) return;
  }
}

/** Waits until it makes sense to ask again. @throws RuntimeError CONSUMER_MISSING */
async function recover(
  consumer: Consumer,
  { connection, signal, onTrouble }: Pick<PullOptions, 'connection' | 'onTrouble' | 'signal'>,
  failures: number,
  cause: Error,
): Promise<void> {
  await sleep(Math.min(2_000, 25 * 2 ** Math.min(failures, 8)), signal);
  for (;;) {
    if (signal.aborted) return;
    try {
      // While the connection is down, requests would be kept and sent all at once on its return.
      await connection.rtt();
      if (!(await isGone(consumer))) return;
      await sleep(SECOND_LOOK_MS, signal);
      if (signal.aborted || !(await isGone(consumer))) return;
      throw new RuntimeError('CONSUMER_MISSING', `the durable is gone: ${cause.message}`, cause);
    } catch (error) {
      if (error instanceof RuntimeError || connection.isClosed()) throw error;
      onTrouble?.(error);
      await sleep(500, signal);
    }
  }
}

/** A stream or durable that is gone must end the worker; it is never recreated silently. */
async function isGone(consumer: Consumer): Promise<boolean> {
  try {
    await consumer.info();
    return false;
  } catch (error) {
    if (error instanceof JetStreamApiError && GONE.has(error.code)) return true;
    throw error;
  }
}
