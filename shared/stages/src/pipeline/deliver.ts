import { CodedError, type Envelope, type PreparedEvent, Publisher } from '@memfleet/events';
import {
  crashPoint,
  type FleetConfig,
  type Logger,
  messageOf,
  type Pool,
  type Received,
  type StageConfig,
} from '@memfleet/runtime';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Held } from '../admission/in-flight.ts';
import { type OutputGate, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import { type Finished, markPublished } from '../claims/dedupe.ts';
import { isUnanswered, parkMessage } from '../dead-letters/dead-letter.ts';
import type { StageIdentity } from '../stage.ts';
import { backoffMs } from './backoff.ts';
import { Blame } from './blame.ts';
import { Outlet, type Standing, Taken } from './outlet.ts';
import { persistently } from './persistently.ts';
import { type Derivable, DerivedPublisher, type PublishAnswer } from './publish-derived.ts';
import type { ParkedResult } from './recorded-result.ts';

export type EventIds = Pick<Envelope, 'id' | 'correlationid' | 'traceparent'>;

/** A recorded outcome to deliver to the broker: derived events, a dead letter, or nothing. */
export interface Recorded {
  readonly held: Held;
  /** None for an event that could not be read or must not be claimed: only its dead letter exists. */
  readonly key: string | undefined;
  /** How often the event was redriven: its letter carries the number that the dedupe table knows. */
  readonly redrives: number;
  readonly state: Finished['state'];
  readonly events: readonly Derivable[];
  readonly parked: ParkedResult | undefined;
  readonly event: EventIds | undefined;
}

export interface DelivererOptions {
  readonly stage: StageIdentity;
  readonly config: FleetConfig;
  readonly settings: Pick<StageConfig, 'batch'>;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly log: Logger;
  readonly output: OutputGate;
  /** Ends waits for the broker: any process can publish what is recorded. */
  readonly stop: AbortSignal;
  /** Ends waits for the database. */
  readonly signal: AbortSignal;
}

/** The recorded state, or `failed` when it did not reach the broker. */
type Delivered = Finished['state'] | 'failed';

/**
 * Takes recorded outcomes from the dedupe table to the broker: publish or park → mark → ack or term. Only
 * recorded outcomes come here, so the next delivery repeats whatever fails, with the same ids. Outcomes
 * that the log or the dead letters refuse altogether, as when they are full, wait until they are accepted.
 */
export class Deliverer {
  readonly #options: DelivererOptions;
  readonly #derived: DerivedPublisher;
  readonly #toLog: Outlet<Recorded, Delivered>;
  readonly #toLetters: Outlet<Recorded, Delivered>;
  readonly #blame = new Blame(nameOf);

  constructor(options: DelivererOptions) {
    const { config, settings, connection, log, output: gate, stop } = options;
    this.#options = options;
    const publisher = new Publisher(connection, {
      log: config.log,
      limits: { maxDataBytes: config.log.maxDataBytes, maxAheadMs: config.log.maxAhead },
    });
    this.#derived = new DerivedPublisher(publisher, log);
    const outlet = (
      what: string,
      attempt: (items: readonly Recorded[], standing: Standing) => Promise<Answers>,
    ): Outlet<Recorded, Delivered> =>
      new Outlet({
        gate,
        signal: stop,
        size: settings.batch,
        attempt,
        giveUp: ({ held }) => again(held),
        onClosed: ({ cause }) => log.error({ cause }, `${what} wait: nothing new starts`),
        onOpen: () => log.info(`${what} are accepted again`),
      });
    this.#toLog = outlet('results', (items, standing) => this.#publish(items, standing));
    this.#toLetters = outlet('dead letters', (items, standing) => this.#park(items, standing));
  }

  /** Prepares the events for publishing, or says why the log would refuse them. */
  prepare(events: readonly Envelope[]): readonly PreparedEvent[] | string {
    return this.#derived.prepare(events);
  }

  /**
   * @returns for each item its state, or `failed` if it will be redelivered; a promise of that for items
   *   that wait until the log or the dead letters accept anything
   */
  async deliver(items: readonly Recorded[]): Promise<(Delivered | Promise<Delivered>)[]> {
    const letters = items.filter(({ parked }) => parked !== undefined);
    // Items with nothing to publish go along with the others, unless the others have to wait.
    const { isOpen } = this.#toLog;
    const isForLog = ({ parked, events }: Recorded): boolean =>
      parked === undefined && (isOpen || events.length > 0);
    const forLog = items.filter(isForLog);
    const others = items.filter((item) => item.parked === undefined && !isForLog(item));
    const [ofLog, ofLetters, ofOthers] = await Promise.all([
      this.#toLog.put(forLog),
      this.#toLetters.put(letters),
      this.#conclude(others),
    ]);
    const results = new Map<Recorded, Delivered | Promise<Delivered>>([
      ...forLog.map((item, index) => [item, ofLog[index] ?? 'failed'] as const),
      ...letters.map((item, index) => [item, ofLetters[index] ?? 'failed'] as const),
      ...others.map((item, index) => [item, ofOthers[index] ?? 'failed'] as const),
    ]);
    return items.map((item) => results.get(item) ?? 'failed');
  }

  async #publish(items: readonly Recorded[], standing: Standing): Promise<Answers> {
    const derived = items
      .filter(({ events }) => events.length > 0)
      .map((item) => ({ eventKey: item.key ?? '', events: item.events, item }));
    const offered = await this.#derived.publish(derived);
    const answers = new Map([...offered].map(([{ item }, answer]) => [item, answer] as const));
    return await this.#answer(items, answers, standing);
  }

  async #park(items: readonly Recorded[], standing: Standing): Promise<Answers> {
    const answers = new Map<Recorded, PublishAnswer>();
    await Promise.all(
      items.map(async (item) => {
        if (item.parked !== undefined) answers.set(item, await this.#parkOne(item, item.parked));
      }),
    );
    if ([...answers.values()].includes('published')) crashPoint('after-park');
    return await this.#answer(items, answers, standing);
  }

  /** Marks and acks the items that are out. Items that were not offered have nothing to publish. */
  async #answer(
    items: readonly Recorded[],
    offered: ReadonlyMap<Recorded, PublishAnswer>,
    standing: Standing,
  ): Promise<Answers> {
    const answers = this.#blame.of(offered, standing === 'proven' && items.length === 1);
    const out = items.filter((item) => (answers.get(item) ?? 'published') === 'published');
    const states = (out.length === 0 ? [] : await this.#conclude(out)).values();
    return items.map((item) => {
      const answer = answers.get(item) ?? 'published';
      if (answer instanceof Refused) return answer;
      if (answer === 'unpublishable') return new Taken(again(item.held), false);
      return new Taken<Delivered>(states.next().value ?? 'failed', answers.has(item));
    });
  }

  async #parkOne(
    { held, event, redrives }: Recorded,
    parked: ParkedResult,
  ): Promise<'published' | Refused> {
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
      return refusalOfLetter(error);
    }
    const { reason, attempts, message: cause } = parked;
    log.error({ ...where, attempts, reason, cause }, 'event parked in the dead letters');
    return 'published';
  }

  /** Marks, then acks or terminates. An item that cannot be marked is not acked, so it is redelivered. */
  async #conclude(items: readonly Recorded[]): Promise<Delivered[]> {
    if (items.length === 0) return [];
    crashPoint('after-publish');
    if (!(await this.#mark(items))) return items.map(({ held }) => again(held));
    crashPoint('before-ack');
    await this.#ack(items);
    return items.map(({ state }) => state);
  }

  /**
   * Retries for as long as the database is away: an event that is acked and not marked would keep its
   * result, and count as not known to be published, for ever.
   * @returns whether all are marked
   */
  async #mark(items: readonly Recorded[]): Promise<boolean> {
    const { stage, pool, log, output: gate, signal } = this.#options;
    const published = items.flatMap(({ key, redrives, events, parked }) =>
      key === undefined || (events.length === 0 && parked === undefined) ? [] : [{ key, redrives }],
    );
    if (published.length === 0) return true;
    try {
      await persistently(() => markPublished(pool, stage, published), {
        gate,
        signal,
        what: 'published events cannot be marked',
        isItsFault: () => true,
        onRetry: (error, attempt) => {
          const reason = messageOf(error);
          log.warn({ attempt, reason }, 'published events could not be marked, trying again');
        },
      });
      return true;
    } catch (error) {
      log.warn({ reason: messageOf(error) }, 'published events could not be marked');
      return false;
    }
  }

  /** Acks or terminates. The server redelivers an event whose answer it missed; it is concluded then. */
  async #ack(items: readonly Recorded[]): Promise<void> {
    const { log } = this.#options;
    const answers = await Promise.allSettled([
      ackAll(items.filter(({ parked }) => parked === undefined).map(({ held }) => held.message)),
      ...items.map(({ held, parked }) => parked && held.message.term(parked.reason)),
    ]);
    for (const answer of answers) {
      if (answer.status === 'fulfilled') continue;
      log.warn({ reason: messageOf(answer.reason) }, 'a settlement was not confirmed');
    }
  }
}

type Answers = readonly (Taken<Delivered> | Refused)[];

/** The event's place in the log, since an event that could not be read has no key. */
function nameOf({ held, redrives }: Recorded): string {
  return `${held.message.info.streamSequence} ${redrives}`;
}

/** Gives an event back, with a delay that grows with the number of its deliveries. */
function again({ message }: Held): 'failed' {
  message.nak(backoffMs(message.info.deliveryCount));
  return 'failed';
}

function refusalOfLetter(error: unknown): Refused {
  const isCoded = error instanceof CodedError;
  // Only the server can say that it accepts no letters at all. A letter that is refused without a limit
  // being hit, or that cannot even be sent, may be at fault itself.
  const isCertain =
    isUnanswered(error) ||
    (isCoded && (error.code === 'DEAD_LETTERS_FULL' || error.code === 'STREAM_MISSING'));
  const hint = isCoded ? `. ${error.hint}` : '';
  return new Refused(
    `no dead letter is accepted: ${messageOf(error)}${hint}`,
    isCertain ? PROBE_AFTER_MS.certain : PROBE_AFTER_MS.unclear,
  );
}

/**
 * A server takes the acks of one connection to one consumer in order, so the confirmation of the last
 * ack confirms all. (Confirming each one costs a third of a worker's throughput.)
 */
async function ackAll(messages: readonly Received[]): Promise<void> {
  const lasts = new Map(messages.map((message) => [message.info.consumer, message]));
  for (const message of messages) {
    if (lasts.get(message.info.consumer) !== message) message.ack();
  }
  await Promise.all([...lasts.values()].map((message) => message.ackAck()));
}
