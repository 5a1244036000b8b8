import {
  ConflictingPayloadError,
  type Envelope,
  EventError,
  PreparedEvent,
  type Publisher,
} from '@memfleet/events';
import { type Logger, messageOf } from '@memfleet/runtime';
import pLimit from 'p-limit';
import { isUnclear, PROBE_AFTER_MS, Refused } from '../admission/output-gate.ts';
import type { Derivable } from '../job.ts';

/** A server takes 50 atomic batches per stream at a time; this leaves room for other processes. */
const PARALLEL_BATCHES = 8;
/** Events the server takes in one atomic batch. */
const MAX_BATCH_EVENTS = 1_000;

/** What a cause has to publish. */
export interface Derived {
  readonly eventKey: string;
  readonly events: readonly Derivable[];
}

/**
 * The result of publishing the events of a cause: all are in the log; or the log accepts others but not
 * these; or it may accept none.
 */
export type PublishAnswer = 'published' | 'unpublishable' | Refused;

/**
 * Publishes derived events. The events of one cause are never torn apart: they share one atomic batch,
 * together with those of others. (The log may already have some of them in another form: then the rest
 * is appended one by one.)
 */
export class DerivedPublisher {
  readonly #publisher: Publisher;
  readonly #log: Logger;
  readonly #limit = pLimit(PARALLEL_BATCHES);
  /** For the parts of a refused chunk: the chunk waits for them within its own turn. */
  readonly #single = pLimit(PARALLEL_BATCHES);

  constructor(publisher: Publisher, log: Logger) {
    this.#publisher = publisher;
    this.#log = log;
  }

  /** Prepares the events for publishing, or says why the log would refuse them. */
  prepare(events: readonly Envelope[]): readonly PreparedEvent[] | string {
    if (events.length > MAX_BATCH_EVENTS) {
      return `the result has ${events.length} events, more than the ${MAX_BATCH_EVENTS} of one batch`;
    }
    try {
      const prepared = events.map((event) => this.#publisher.prepare(event));
      const keys = new Set(prepared.map(({ key }) => key));
      // The log would store one of them, and take the other for its copy.
      return keys.size === prepared.length
        ? prepared
        : 'the result has two events with one id: derive each with an ordinal of its own';
    } catch (error) {
      // Only the events and the server's size limit decide here.
      return `the result is not a valid event: ${messageOf(error)}`;
    }
  }

  async publish<Item extends Derived>(
    items: readonly Item[],
  ): Promise<ReadonlyMap<Item, PublishAnswer>> {
    const chunked = await Promise.all(
      chunks(items).map((chunk) => this.#limit(() => this.#publishChunk(chunk))),
    );
    return new Map(chunked.flat());
  }

  async #publishChunk<Item extends Derived>(
    chunk: readonly Item[],
  ): Promise<(readonly [Item, PublishAnswer])[]> {
    try {
      await this.#publisher.appendBatch(
        chunk.flatMap(({ events }) => events.map((event) => this.#prepared(event))),
        { timeIsAssigned: true },
      );
      return chunk.map((item) => [item, 'published']);
    } catch (error) {
      const [only] = chunk;
      const answer = answerOf(error);
      if (chunk.length > 1 && (!(answer instanceof Refused) || isUnclear(answer))) {
        // The log refuses one of these events, which must not block its neighbours.
        const parts = await Promise.all(
          chunk.map((item) => this.#single(() => this.#publishChunk([item]))),
        );
        return parts.flat();
      }
      if (only !== undefined && error instanceof ConflictingPayloadError) {
        return [[only, await this.#publishApart(only)]];
      }
      const { code } = error instanceof EventError ? error : {};
      const eventKey = chunk.length === 1 ? only?.eventKey : undefined;
      this.#log.error(
        { eventKey, causes: chunk.length, code, reason: messageOf(error) },
        'results could not be published',
      );
      return chunk.map((item) => [item, answer]);
    }
  }

  #prepared(event: Derivable): PreparedEvent {
    return event instanceof PreparedEvent ? event : this.#publisher.prepareAgain(event);
  }

  /**
   * The log has an effect of this cause already, from before its dedupe row, and the log is right. But
   * it may have only some of the events, so each of the others must still be appended.
   */
  async #publishApart({ eventKey, events }: Derived): Promise<PublishAnswer> {
    for (const event of events) {
      try {
        await this.#publisher.append(this.#prepared(event), { timeIsAssigned: true });
      } catch (error) {
        if (!(error instanceof ConflictingPayloadError)) {
          this.#log.error({ eventKey, reason: messageOf(error) }, 'results could not be published');
          return answerOf(error);
        }
        this.#log.error(
          { eventKey, sequence: error.sequence },
          'another result of this event is in the log already, the new one is dropped',
        );
      }
    }
    return 'published';
  }
}

/** Turns the failure of an append into an answer about the events or about the log. */
function answerOf(error: unknown): 'unpublishable' | Refused {
  if (error instanceof ConflictingPayloadError) return 'unpublishable';
  if (!(error instanceof EventError)) {
    return new Refused(`the log refuses: ${messageOf(error)}`, PROBE_AFTER_MS.unclear);
  }
  const { code, hint, message } = error;
  switch (code) {
    case 'LOG_FULL':
      return new Refused(`the log is full: ${message}. ${hint}`, PROBE_AFTER_MS.certain);
    case 'STREAM_MISSING':
    case 'BROKER_UNAVAILABLE':
      return new Refused(`the log accepts no events: ${message}. ${hint}`, PROBE_AFTER_MS.certain);
    case 'EVENT_INVALID':
    case 'EVENT_TOO_LARGE':
      return 'unpublishable';
    case 'APPEND_REFUSED':
    case 'APPEND_HELD_BACK':
    case 'EVENT_CONFLICTING_PAYLOAD':
    case 'VERSION_CONFLICT':
    case 'CATALOGUE_BROKEN':
      break;
  }
  return new Refused(`the log refuses: ${message}. ${hint}`, PROBE_AFTER_MS.unclear);
}

function chunks<Item extends Derived>(items: readonly Item[]): Item[][] {
  const result: Item[][] = [];
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
