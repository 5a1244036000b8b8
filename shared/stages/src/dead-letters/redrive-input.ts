import { type Delivery, type FleetConfig, type Logger, messageOf, sleep } from '@memfleet/runtime';
import { type Consumer, jetstream } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { DEAD_LETTER_HEADERS as NAMES } from './dead-letter.ts';
import { originalBytes } from './stored-letter.ts';

/** How soon an idle stage notices that something was redriven. */
const LOOK_AGAIN_MS = 1_000;
/** How soon to retry when the log does not answer. */
const RETRY_MS = 1_000;

export interface RedriveInputOptions {
  /** The durable of the stage on the queue of redriven events. */
  readonly consumer: Consumer;
  readonly connection: NatsConnection;
  readonly config: FleetConfig;
  readonly log: Logger;
}

/** A stage's second source: the events in its queue of redriven ones. */
export class RedriveInput {
  readonly #options: RedriveInputOptions;

  constructor(options: RedriveInputOptions) {
    this.#options = options;
  }

  get consumer(): Consumer {
    return this.#options.consumer;
  }

  /**
   * Waits until the queue has events. It is empty nearly always, and a request that waits at the server
   * would hold slots that the log's events could use.
   * @returns how many there are at most; 0 when the signal ends the wait
   */
  async waiting(signal: AbortSignal): Promise<number> {
    while (!signal.aborted) {
      const count = await this.#count();
      if (count > 0) return count;
      await sleep(LOOK_AGAIN_MS, signal);
    }
    return 0;
  }

  /** The events as they came from the log. An event that cannot be read there now is given back. */
  async originals(messages: readonly Delivery[]): Promise<Delivery[]> {
    const found = await Promise.all(messages.map((message) => this.#original(message)));
    return found.filter((message) => message !== undefined);
  }

  async #count(): Promise<number> {
    try {
      const info = await this.#options.consumer.info();
      // Delivered events may have been given back, and only a request gets them again.
      return info.num_pending + info.num_ack_pending;
    } catch {
      // The request itself will report what is wrong, and whether it ends the worker.
      return 1;
    }
  }

  async #original(message: Delivery): Promise<Delivery | undefined> {
    const { connection, config, log } = this.#options;
    const { headers } = message;
    const subject = headers?.get(NAMES.subject) ?? '';
    const sequence = Number(headers?.get(NAMES.sequence) ?? 0);
    const redrives = Number(headers?.get(NAMES.redrives) ?? 1);
    const isInLog = headers?.get(NAMES.bytes) === 'log';
    let { data } = message;
    if (isInLog) {
      try {
        const { requestTimeout } = config.broker;
        const jsm = await jetstream(connection, { timeout: requestTimeout }).jetstreamManager(
          false,
        );
        const letter = { data, isInLog, logSequence: sequence, logSubject: subject };
        // Without its bytes it is no event, so it becomes a dead letter again.
        data = (await originalBytes(jsm, config.log, letter)) ?? data;
      } catch (error) {
        log.warn(
          { sequence, reason: messageOf(error) },
          'the bytes of a redriven event could not be read, trying again',
        );
        message.nak(RETRY_MS);
        return undefined;
      }
    }
    return message.standingFor({ subject, sequence, data, redrives });
  }
}
