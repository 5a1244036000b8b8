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

/** What the log is known to hold of an event already: the same, or another under the same id. */
export type Stored =
  | { readonly kind: 'same' }
  | { readonly kind: 'refused'; readonly error: Error };

export interface StoredEventsSources {
  readonly pool: Pool;
  readonly jsm: JetStreamManager;
  readonly stream: string;
  readonly publisher: Publisher;
  readonly signal: AbortSignal;
  /** Told once, when the database can no longer be asked. */
  readonly onTrouble: (reason: string) => void;
}

/** Tries per event while NATS does not answer: about ten minutes of waiting. */
const ATTEMPTS = 100;
const WAIT_MS = 1_000;

/**
 * Which events the log holds already, however long ago they were stored: the server remembers
 * message ids only for its duplicate window. The lineage projection says where in the log an event
 * is, and the log itself is then looked at, so nothing is left out on the word of the database.
 *
 * It spares appends, it is not what makes them safe: whoever reads the log takes an event once. So
 * without a database, or behind a projection that lags, publishing goes on.
 */
export class StoredEvents {
  readonly #source: StoredEventsSources;
  #troubled = false;

  constructor(source: StoredEventsSources) {
    this.#source = source;
  }

  /** @returns one entry for each event, undefined for what has to be appended */
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
    // Another message stands there when the stream was restored or made anew.
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

/** Undefined for what is no event: the publisher will say what is wrong with it. */
function keyOf(event: LineEvent['event']): string | undefined {
  const { tenantid, source, id } = event;
  if (typeof tenantid !== 'string' || typeof source !== 'string' || typeof id !== 'string') {
    return undefined;
  }
  return eventKey({ tenantid, source, id });
}
