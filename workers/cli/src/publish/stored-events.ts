import { setTimeout as delay } from 'node:timers/promises';
import {
  ConflictingPayloadError,
  EventError,
  eventKey,
  messageAt,
  type Publisher,
  saysTheSame,
} from '@memfleet/events';
import { type JetStreamManager, messageOf, type Pool, type StoredMsg } from '@memfleet/runtime';
import type { LineEvent } from './line-event.ts';

/** What the log already holds under an event's id: the same event, or another payload. */
export type Stored =
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly error: Error };

export interface StoredEventsSources {
  readonly pool: Pool;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly publisher: Publisher;
  readonly signal: AbortSignal;
  /** Called once, when the database can no longer be reached. */
  readonly onTrouble: (reason: string) => void;
}

/** Tries per event while NATS does not answer: about ten minutes of waiting. */
const ATTEMPTS = 100;
const WAIT_MS = 1_000;

/**
 * Finds events that the log holds already, no matter how long ago they were stored: the server remembers
 * message ids only for its duplicate window. The lineage projection gives an event's position, and the
 * log itself is then checked, so no event is left out because of the database alone.
 *
 * This saves appends, but safety does not depend on it: readers of the log apply an event once. So
 * publishing continues without a database, or with a projection that lags.
 */
export class StoredEvents {
  readonly #source: StoredEventsSources;
  #troubled = false;

  constructor(source: StoredEventsSources) {
    this.#source = source;
  }

  /** @returns one entry for each event, undefined for an event to append */
  async find(events: readonly LineEvent[]): Promise<(Stored | undefined)[]> {
    const keys = events.map(({ event }) => keyOf(event));
    const positions = await this.#positions(keys.filter((key) => key !== undefined));
    return await Promise.all(
      events.map(async (event, index) => {
        const key = keys[index];
        const sequence = key === undefined ? undefined : positions.get(key);
        if (key === undefined || sequence === undefined) return undefined;
        return await this.#compare(event, key, sequence);
      }),
    );
  }

  async #positions(keys: readonly string[]): Promise<ReadonlyMap<string, number>> {
    if (keys.length === 0 || this.#troubled) return new Map();
    try {
      const { rows } = await this.#source.pool.query<{ event_key: string; sequence: string }>({
        name: 'publish-stored',
        text: 'select event_key, sequence from memory.lineage where event_key = any($1::uuid[])',
        values: [keys],
      });
      return new Map(rows.map((row) => [row.event_key, Number(row.sequence)]));
    } catch (error) {
      this.#troubled = true;
      this.#source.onTrouble(messageOf(error));
      return new Map();
    }
  }

  async #compare(
    { event, timeIsAssigned }: LineEvent,
    key: string,
    sequence: number,
  ): Promise<Stored | undefined> {
    const { publisher } = this.#source;
    const found = await this.#message(sequence);
    // The position holds another message when the stream was restored or recreated.
    if (found?.header.get('Nats-Msg-Id') !== key) return undefined;
    try {
      publisher.prepare(event);
    } catch (error) {
      return { kind: 'refused', error: error as Error };
    }
    const sent = Buffer.from(JSON.stringify(event));
    if (saysTheSame(found.data, sent, !timeIsAssigned)) return { kind: 'same' };
    return { kind: 'refused', error: new ConflictingPayloadError(String(event['id']), sequence) };
  }

  async #message(sequence: number): Promise<StoredMsg | null> {
    const { jsm, stream, signal } = this.#source;
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await messageAt(jsm, stream, { seq: sequence });
      } catch (error) {
        if (attempt === ATTEMPTS) {
          const message = `message ${sequence} of stream ${stream} cannot be read: ${messageOf(error)}`;
          throw new EventError('BROKER_UNAVAILABLE', message, error);
        }
        await delay(WAIT_MS, undefined, { signal });
      }
    }
  }
}

/** Undefined for an invalid event: the publisher will report what is wrong with it. */
function keyOf(event: LineEvent['event']): string | undefined {
  const { tenantid, source, id } = event;
  if (typeof tenantid !== 'string' || typeof source !== 'string' || typeof id !== 'string') {
    return undefined;
  }
  return eventKey({ tenantid, source, id });
}
