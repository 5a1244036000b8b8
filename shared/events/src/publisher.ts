import type { NatsConnection, RequestOptions } from '@nats-io/transport-node';
import type { Appended, AppendOptions, AppendResult, PublisherOptions } from './append-options.ts';
import {
  appendHeaders,
  DEFAULT_LIMITS,
  DEFAULT_LOG,
  type Limits,
  type LogNames,
  idOf,
  memoryOf,
  NO_LIMITS,
  prepare,
  PreparedEvent,
  stamped,
} from './append.ts';
import { sendBatch } from './atomic-batch.ts';
import { ConflictingPayloadError, EventError, VersionConflictError } from './errors.ts';
import { HeldBack } from './held-back.ts';
import { LogReader } from './log-reader.ts';
import { saysTheSame } from './payload.ts';
import {
  codeOf,
  confirmed,
  parseReply,
  type PublishReply,
  ServerRefusal,
  unconfirmed,
} from './refusal.ts';
import { windowed } from './windowed.ts';

/** The most events that a server accepts as one atomic batch. */
const MAX_BATCH_EVENTS = 1_000;

/** Bytes of a message that the headers of an append may take; the server counts them as payload. */
const HEADER_ROOM = 1_024;

/**
 * Appends events to the log. Every append carries a Msg-Id made of tenant, source and id, so the same
 * event appended again within the stream's duplicate window is stored once; beyond the window, the
 * readers' dedupe tables give it one effect. An append is confirmed by the server or throws.
 */
export class Publisher {
  readonly #connection: NatsConnection;
  readonly #log: LogNames;
  readonly #limits: Limits;
  readonly #ackTimeoutMs: number;
  readonly #attempts: number;
  readonly #reader: LogReader;

  constructor(connection: NatsConnection, options: PublisherOptions = {}) {
    this.#connection = connection;
    this.#log = options.log ?? DEFAULT_LOG;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 5_000;
    this.#attempts = options.attempts ?? 5;
    this.#reader = new LogReader(connection, this.#log, this.#attempts);
  }

  /**
   * @throws EventError EVENT_INVALID | EVENT_TOO_LARGE | STREAM_MISSING | LOG_FULL |
   *   APPEND_REFUSED | BROKER_UNAVAILABLE
   * @throws VersionConflictError with the actual version
   * @throws ConflictingPayloadError when the id is taken by another payload
   */
  async append(event: unknown, options: AppendOptions = {}): Promise<Appended> {
    return await this.#append(this.#prepare(event, options.expectedVersion), options);
  }

  /**
   * Appends many events, up to `window` at a time. Events of one memory go one after the other, so a
   * retry cannot put them out of order. A failure is a result, and the rest goes on; where the event may
   * still be appended later, as after an outage, other events of its memory are held back until it is.
   */
  async *appendAll<Item>(
    items: AsyncIterable<Item> | Iterable<Item>,
    options: {
      readonly window?: number;
      /** What to append for an item, and how. */
      readonly event: (item: Item) => { readonly event: unknown; readonly options?: AppendOptions };
    },
  ): AsyncGenerator<AppendResult<Item>> {
    const lastOfMemory = new Map<string, Promise<unknown>>();
    const heldBack = new HeldBack();
    yield* windowed(items, options.window ?? 256, (item) => {
      const { event, options: how } = options.event(item);
      const [memory, id] = [memoryOf(event), idOf(event)];
      const before = lastOfMemory.get(memory) ?? Promise.resolve();
      const append = async (): Promise<AppendResult<Item>> => {
        await before;
        try {
          heldBack.check(memory, id);
          const appended = await this.append(event, how);
          heldBack.appended(memory);
          return { item, ok: true, appended };
        } catch (error) {
          heldBack.failed(memory, id, error);
          return { item, ok: false, error };
        }
      };
      const result = append();
      lastOfMemory.set(memory, result);
      void result.then(() => {
        if (lastOfMemory.get(memory) === result) lastOfMemory.delete(memory);
      });
      return result;
    });
  }

  /**
   * Appends all of the events, or none (at most 1,000). When some are already in the log, the server
   * refuses the batch as a whole; they are then appended one by one, which stores the missing ones. An
   * expected version is that of the first event's memory.
   * @throws as `append`
   */
  async appendBatch(events: readonly unknown[], options: AppendOptions = {}): Promise<Appended[]> {
    const { expectedVersion } = options;
    const [first] = events;
    if (first === undefined) return [];
    if (events.length === 1) return [await this.append(first, options)];
    if (events.length > MAX_BATCH_EVENTS) {
      throw new EventError(
        'APPEND_REFUSED',
        `a batch holds at most ${MAX_BATCH_EVENTS} events, this one has ${events.length}`,
      );
    }
    const memory = memoryOf(first);
    const batch = events.map((event) =>
      this.#prepare(event, memoryOf(event) === memory ? expectedVersion : undefined),
    );
    try {
      const last = await confirmed(this.#connection, this.#attempts, () =>
        sendBatch(this.#connection, batch, {
          log: this.#log,
          timeout: this.#ackTimeoutMs,
          ...(expectedVersion === undefined ? {} : { expectedVersion }),
        }),
      );
      return batch.map(({ event }, index) => ({
        id: event.id,
        sequence: last.seq - batch.length + 1 + index,
        duplicate: false,
      }));
    } catch (error) {
      const [head] = batch as [PreparedEvent];
      const isDuplicate = error instanceof ServerRefusal && error.isBatchDuplicate;
      if (isDuplicate || (await this.#storedBefore(error, head, expectedVersion)) !== undefined) {
        return await this.#appendMissing(batch, options);
      }
      throw await this.#explained(error, head, expectedVersion);
    }
  }

  /**
   * Makes sure that the log would accept this event, without sending it. The result can be appended in
   * the event's place, and is not checked again.
   * @throws EventError EVENT_INVALID | EVENT_TOO_LARGE
   */
  prepare(event: unknown): PreparedEvent {
    return this.#fitting(prepare(event, this.#log, this.#limits));
  }

  /**
   * Accepts an event that was prepared and stored earlier, perhaps under larger limits. It keeps the
   * earlier promise, so it checks only the event's form and its size for this server.
   * @throws EventError EVENT_INVALID | EVENT_TOO_LARGE
   */
  prepareAgain(event: unknown): PreparedEvent {
    return this.#fitting(prepare(event, this.#log, NO_LIMITS));
  }

  /**
   * The memory's version: the stream sequence of its last event, 0 when it has none.
   * @throws EventError EVENT_INVALID | STREAM_MISSING | BROKER_UNAVAILABLE
   */
  async versionOf(tenant: string, memory: string): Promise<number> {
    return await this.#reader.versionOf(tenant, memory);
  }

  async #append(prepared: PreparedEvent, options: AppendOptions): Promise<Appended> {
    const { expectedVersion } = options;
    const requestOptions = {
      headers: appendHeaders(prepared, this.#log, expectedVersion),
      timeout: this.#ackTimeoutMs,
    };
    let reply: PublishReply;
    try {
      reply = await confirmed(this.#connection, this.#attempts, () =>
        this.#send(prepared, requestOptions),
      );
    } catch (error) {
      const sequence = await this.#storedBefore(error, prepared, expectedVersion);
      if (sequence === undefined) throw await this.#explained(error, prepared, expectedVersion);
      reply = { seq: sequence, duplicate: true };
    }
    if (reply.duplicate) await this.#checkDuplicate(prepared, reply.seq, options);
    return { id: prepared.event.id, sequence: reply.seq, duplicate: reply.duplicate };
  }

  /**
   * Appends one after the other: the order of the batch is the order of the log. For the memory of the
   * expected version, each event expects the one before it, so that no other writer can have come in
   * between.
   */
  async #appendMissing(
    batch: readonly PreparedEvent[],
    { expectedVersion, ...how }: AppendOptions,
  ): Promise<Appended[]> {
    const appended: Appended[] = [];
    const memory = memoryOf(batch[0]?.event);
    let expected = expectedVersion;
    for (const prepared of batch) {
      const isOfMemory = memoryOf(prepared.event) === memory;
      const expectation =
        expected === undefined || !isOfMemory ? {} : { expectedVersion: expected };
      const result = await this.#append(prepared, { ...how, ...expectation });
      if (isOfMemory && expected !== undefined) expected = result.sequence;
      appended.push(result);
    }
    return appended;
  }

  /** @throws EventError EVENT_INVALID | EVENT_TOO_LARGE, before anything is sent */
  #prepare(event: unknown, expectedVersion: number | undefined): PreparedEvent {
    if (!(event instanceof PreparedEvent)) return this.prepare(stamped(event, expectedVersion));
    // An append with an expected version has different bytes: they include the version.
    if (expectedVersion !== undefined) return this.prepare(stamped(event.event, expectedVersion));
    // The server may be a different one by now.
    return this.#fitting(event);
  }

  /** @throws EventError EVENT_TOO_LARGE */
  #fitting(event: PreparedEvent): PreparedEvent {
    const { bytes } = event;
    const room = (this.#connection.info?.max_payload ?? Infinity) - HEADER_ROOM;
    if (bytes <= room) return event;
    throw new EventError(
      'EVENT_TOO_LARGE',
      `the event is ${bytes} bytes, over the ${room} that this server takes`,
    );
  }

  async #send(prepared: PreparedEvent, options: RequestOptions): Promise<PublishReply> {
    const reply = await this.#connection.request(prepared.subject, prepared.json, options);
    return parseReply(reply.string());
  }

  /**
   * The server checks the expectation before the Msg-Id, so it refuses the retry of an append that was
   * stored but not confirmed, as a conflict. Such an append would be the memory's next event after the
   * expected version, so this reads that one.
   */
  async #storedBefore(
    error: unknown,
    prepared: PreparedEvent,
    expectedVersion: number | undefined,
  ): Promise<number | undefined> {
    const isConflict = error instanceof ServerRefusal && error.isConflict;
    if (!isConflict || expectedVersion === undefined) return undefined;
    const { tenantid, subject } = prepared.event;
    const next = await this.#reader.nextOf(tenantid, subject, expectedVersion);
    return next?.header.get('Nats-Msg-Id') === prepared.key ? next.seq : undefined;
  }

  async #explained(
    error: unknown,
    prepared: PreparedEvent,
    expectedVersion: number | undefined,
  ): Promise<unknown> {
    const { stream } = this.#log;
    if (error instanceof ServerRefusal) {
      if (error.isConflict) {
        const { tenantid, subject } = prepared.event;
        const actual = error.actualSequence ?? (await this.versionOf(tenantid, subject));
        return new VersionConflictError(subject, expectedVersion ?? 0, actual);
      }
      const sentence = `stream ${stream} refused the append: ${error.message}`;
      return new EventError(codeOf(error), sentence, error);
    }
    return unconfirmed(error, prepared.subject);
  }

  /** Msg-Id dedupe ignores the payload, so the publisher compares the event stored under it. */
  async #checkDuplicate(
    prepared: PreparedEvent,
    sequence: number,
    options: AppendOptions,
  ): Promise<void> {
    const stored = await this.#reader.at(sequence);
    if (stored === null) return;
    if (!saysTheSame(stored.data, Buffer.from(prepared.json), options.timeIsAssigned !== true)) {
      throw new ConflictingPayloadError(prepared.event.id, sequence);
    }
  }
}
