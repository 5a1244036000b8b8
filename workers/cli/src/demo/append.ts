import { createEvent, type NewEvent, Publisher } from '@memfleet/events';
import type { Broker } from '../fleet.ts';
import type { ProgressBar } from '../progress-bar.ts';

/**
 * Publishes the conversations as an agent platform would: many at once, each memory's in order.
 * @throws the first append that failed
 */
export async function appendConversations(
  { config, connection }: Broker,
  events: readonly NewEvent[],
  { bar, signal }: { readonly bar: ProgressBar; readonly signal: AbortSignal },
): Promise<void> {
  const { log, broker } = config;
  const publisher = new Publisher(connection, {
    log: { stream: log.stream, root: log.root },
    limits: { maxDataBytes: log.maxDataBytes, maxAheadMs: log.maxAhead },
    ackTimeoutMs: broker.requestTimeout,
  });
  let done = 0;
  const results = publisher.appendAll(events, {
    event: (event) => ({ event: createEvent(event) }),
  });
  for await (const result of results) {
    signal.throwIfAborted();
    if (!result.ok) throw result.error;
    done += 1;
    bar.update(done, `${done} events`);
  }
}
