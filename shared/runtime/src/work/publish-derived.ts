import {
  ConflictingPayloadError,
  type Envelope,
  EventError,
  type PreparedEvent,
  type Publisher,
} from '@memfleet/events';
import pLimit from 'p-limit';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';

/** A server takes 50 atomic batches per stream at a time; this leaves room for other processes. */
const PARALLEL_BATCHES = 8;
/** Events the server takes in one atomic batch. */
const MAX_BATCH_EVENTS = 1_000;

/** What a cause has to publish. */
export interface Derived {
  readonly eventKey: string;
  readonly events: readonly Derivable[];
}

/** What was prepared before, or an envelope that is prepared when it is appended. */
export type Derivable = Envelope | PreparedEvent;

/**
 * Publishes what stages derived. The events of one cause are never torn apart: they are in one
 * atomic batch, together with those of others.
 */
export class DerivedPublisher {
  readonly #publisher: Publisher;
  readonly #log: Logger;
  readonly #limit = pLimit(PARALLEL_BATCHES);

  constructor(publisher: Publisher, log: Logger) {
    this.#publisher = publisher;
    this.#log = log;
  }

  /** The events ready to be published, or why the log would refuse them. */
  prepare(events: readonly Envelope[]): readonly PreparedEvent[] | string {
    if (events.length > MAX_BATCH_EVENTS) {
      return `the result has ${events.length} events, more than the ${MAX_BATCH_EVENTS} of one batch`;
    }
    try {
      return events.map((event) => this.#publisher.prepare(event));
    } catch (error) {
      // Nothing but the events decides here, so whatever is thrown speaks of them.
      return `the result is no valid event: ${messageOf(error)}`;
    }
  }

  /** @returns those whose events are in the log now; the others are to be tried again. */
  async publish(items: readonly Derived[]): Promise<ReadonlySet<Derived>> {
    const published = new Set<Derived>();
    await Promise.all(
      chunks(items).map((chunk) =>
        this.#limit(async () => {
          for (const item of await this.#publishChunk(chunk)) published.add(item);
        }),
      ),
    );
    return published;
  }

  async #publishChunk(chunk: readonly Derived[]): Promise<readonly Derived[]> {
    const events = chunk.flatMap((item) => item.events);
    try {
      await this.#publisher.appendBatch(events, { timeIsAssigned: true });
      return chunk;
    } catch (error) {
      const [only] = chunk;
      if (chunk.length > 1 && isOfOneEvent(error)) {
        // One event among them is refused: its neighbours must not wait for it.
        const parts = await Promise.all(chunk.map((item) => this.#publishChunk([item])));
        return parts.flat();
      }
      if (only !== undefined && error instanceof ConflictingPayloadError) {
        // The log has an effect of this cause already, from before its dedupe row: the log is right.
        const { sequence } = error;
        this.#log.error(
          { eventKey: only.eventKey, sequence },
          'another result of this event is in the log already, the new one is dropped',
        );
        return chunk;
      }
      this.#log.error(
        { events: events.length, error },
        'results could not be published, trying again',
      );
      return [];
    }
  }
}

/** Whether the error may be about one of the events rather than about the log or the connection. */
function isOfOneEvent(error: unknown): boolean {
  if (error instanceof ConflictingPayloadError) return true;
  if (!(error instanceof EventError)) return false;
  return ['EVENT_INVALID', 'EVENT_TOO_LARGE', 'BATCH_REJECTED'].includes(error.code);
}

function chunks(items: readonly Derived[]): Derived[][] {
  const result: Derived[][] = [];
  let events = 0;
  for (const item of items) {
    events += item.events.length;
    const last = result.at(-1);
    if (last === undefined || events > MAX_BATCH_EVENTS) {
      result.push([item]);
      events = item.events.length;
    } else last.push(item);
  }
  return result;
}
