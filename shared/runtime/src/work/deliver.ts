import { type Envelope, type PreparedEvent, Publisher } from '@memfleet/events';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Received } from '../broker/delivery.ts';
import type { FleetConfig } from '../config/schema.ts';
import type { Pool } from '../database/pool.ts';
import { parkMessage } from '../dead-letters/dead-letter.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import { crashPoint } from './crash-points.ts';
import { type Finished, markPublished, type StageIdentity } from './dedupe.ts';
import type { Held } from './in-flight.ts';
import { type Derivable, DerivedPublisher } from './publish-derived.ts';
import type { ParkedResult } from './results.ts';

export type EventIds = Pick<Envelope, 'id' | 'correlationid' | 'traceparent'>;

/** Something recorded that has to go to the broker: derived events, a dead letter, or nothing. */
export interface Recorded {
  readonly held: Held;
  /** None for what could not be read or must not be claimed: its dead letter is all there is. */
  readonly key: string | undefined;
  /** How often the event was redriven: its letter bears the number that the dedupe table knows. */
  readonly redrives: number;
  readonly state: Finished['state'];
  readonly events: readonly Derivable[];
  readonly parked: ParkedResult | undefined;
  readonly event: EventIds | undefined;
}

export interface DelivererOptions {
  readonly stage: StageIdentity;
  readonly config: FleetConfig;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly log: Logger;
}

/** How soon to come again after the broker failed. */
const BROKER_RETRY_MS = 1_000;

/**
 * The way from the dedupe table to the broker: publish or park → mark → ack or term. Only what is
 * recorded comes here, so that whatever fails is done again, with the same ids, at the next delivery.
 */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #derived: DerivedPublisher;

  constructor(options: DelivererOptions) {
    const { config, connection, log } = options;
    this.#options = options;
    const publisher = new Publisher(connection, {
      log: config.log,
      limits: { maxDataBytes: config.log.maxDataBytes, maxAheadMs: config.log.maxAhead },
    });
    this.#derived = new DerivedPublisher(publisher, log);
  }

  /** The events ready to be published, or why the log would refuse them. */
  prepare(events: readonly Envelope[]): readonly PreparedEvent[] | string {
    return this.#derived.prepare(events);
  }

  /** @returns for each item its state, or that the broker did not confirm it and it comes again */
  async deliver(items: readonly Recorded[]): Promise<(Finished['state'] | 'failed')[]> {
    const [published, letters] = await Promise.all([this.#publish(items), this.#park(items)]);
    const isOut = (item: Recorded): boolean =>
      (item.events.length === 0 || published.has(item)) &&
      (item.parked === undefined || letters.has(item));
    const out = items.filter(isOut);
    crashPoint('after-publish');
    await this.#mark(out);
    crashPoint('before-ack');
    await this.#conclude(out);
    return items.map((item) => {
      if (isOut(item)) return item.state;
      item.held.message.nak(BROKER_RETRY_MS);
      return 'failed';
    });
  }

  async #publish(items: readonly Recorded[]): Promise<Set<Recorded>> {
    const derived = items
      .filter(({ events }) => events.length > 0)
      .map((item) => ({ eventKey: item.key ?? '', events: item.events, item }));
    const published = await this.#derived.publish(derived);
    return new Set(derived.filter((one) => published.has(one)).map(({ item }) => item));
  }

  /** @returns those whose dead letter the server has confirmed */
  async #park(items: readonly Recorded[]): Promise<Set<Recorded>> {
    const letters = new Set<Recorded>();
    await Promise.all(
      items.map(async (item) => {
        if (item.parked !== undefined && (await this.#parkOne(item, item.parked))) {
          letters.add(item);
        }
      }),
    );
    if (letters.size > 0) crashPoint('after-park');
    return letters;
  }

  async #parkOne({ held, event, redrives }: Recorded, parked: ParkedResult): Promise<boolean> {
    const { stage, config, connection, log } = this.#options;
    const ids = {
      eventId: event?.id,
      correlationId: event?.correlationid,
      traceparent: event?.traceparent,
    };
    let where: typeof ids & { readonly sequence?: number } = ids;
    try {
      where = { sequence: held.message.info.streamSequence, ...ids };
      await parkMessage(connection, config, held.message, {
        stage: stage.name,
        stageVersion: stage.version,
        redrives,
        ...parked,
        ...ids,
      });
    } catch (error) {
      log.error({ ...where, error }, 'event could not be parked, trying again');
      return false;
    }
    const { reason, attempts, message: cause } = parked;
    log.error({ ...where, attempts, reason, cause }, 'event parked in the dead letters');
    return true;
  }

  async #mark(items: readonly Recorded[]): Promise<void> {
    const { stage, pool, log } = this.#options;
    const published = items.flatMap(({ key, redrives, events, parked }) =>
      key === undefined || (events.length === 0 && parked === undefined) ? [] : [{ key, redrives }],
    );
    if (published.length === 0) return;
    try {
      await markPublished(pool, stage, published);
    } catch (error) {
      // It costs a second publish of the same ids, if the ack is lost as well.
      log.warn({ reason: messageOf(error) }, 'what was published could not be marked');
    }
  }

  /** Acks or terminates. What the server has not taken comes again, and is concluded then. */
  async #conclude(items: readonly Recorded[]): Promise<void> {
    const { log } = this.#options;
    const answers = await Promise.allSettled([
      ackAll(items.filter(({ parked }) => parked === undefined).map(({ held }) => held.message)),
      ...items.map(({ held, parked }) => parked && held.message.term(parked.reason)),
    ]);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue;
      log.warn({ reason: messageOf(answer.reason) }, 'what was settled is not confirmed');
    }
  }
}

/**
 * A server takes the acks of one connection to one consumer in order: the last one's confirmation
 * is that of all. (One confirmation each costs a third of a worker's throughput.)
 */
async function ackAll(messages: readonly Received[]): Promise<void> {
  const lasts = new Map(messages.map((message) => [message.info.consumer, message]));
  for (const message of messages) {
    if (lasts.get(message.info.consumer) !== message) message.ack();
  }
  await Promise.all([...lasts.values()].map((message) => message.ackAck()));
}
