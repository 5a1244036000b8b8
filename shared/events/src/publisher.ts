import { type JetStreamManager, jetstreamManager } from '@nats-io/jetstream';
import { type Msg, type NatsConnection, nuid, type RequestOptions } from '@nats-io/transport-node';
import { setTimeout as delay } from 'node:timers/promises';
import {
  appendHeaders,
  DEFAULT_LIMITS,
  DEFAULT_LOG,
  type Limits,
  type LogNames,
  parseReply,
  prepare,
  type Prepared,
  type PublishReply,
  ServerRefusal,
} from './append.ts';
import type { Envelope } from './envelope.ts';
import { ConflictingPayloadError, EventError, VersionConflictError } from './errors.ts';
import { samePayload } from './payload.ts';
import { memoryFilter } from './subjects.ts';

export interface PublisherOptions {
  readonly log?: LogNames;
  readonly limits?: Partial<Limits>;
  /** How long the server may take to confirm one attempt, in ms. */
  readonly ackTimeoutMs?: number;
  /** Attempts while the outcome is unknown; each bears the same Msg-Id. */
  readonly attempts?: number;
}

export interface AppendOptions {
  /**
   * The memory's version this append was decided on: the stream sequence of its last event, 0 when
   * it has none. When the memory has moved on, nothing is stored.
   */
  readonly expectedVersion?: number;
  /** Set when the time was filled in by the sender: a retry may then bear another. */
  readonly timeIsAssigned?: boolean;
}

export interface Appended {
  readonly id: string;
  /** Position in the log; also the memory's new version, unless `duplicate`. */
  readonly sequence: number;
  /** True when the same event was in the log already; `sequence` is where. */
  readonly duplicate: boolean;
}

/** One result per event of `appendAll`, in the order given: appended, or why not. */
export type AppendResult<Item = unknown> =
  | { readonly item: Item; readonly ok: true; readonly appended: Appended }
  | { readonly item: Item; readonly ok: false; readonly error: unknown };

/**
 * Appends events to the log. Every append bears a Msg-Id made of tenant, source and id, so the same
 * event appended again within the stream's duplicate window is stored once; beyond the window the
 * readers' dedupe tables see to it. An append is confirmed by the server or throws.
 */
export class Publisher {
  readonly #connection: NatsConnection;
  readonly #log: LogNames;
  readonly #limits: Limits;
  readonly #ackTimeoutMs: number;
  readonly #attempts: number;
  #manager: Promise<JetStreamManager> | undefined;

  constructor(connection: NatsConnection, options: PublisherOptions = {}) {
    this.#connection = connection;
    this.#log = options.log ?? DEFAULT_LOG;
    this.#limits = { ...DEFAULT_LIMITS, ...options.limits };
    this.#ackTimeoutMs = options.ackTimeoutMs ?? 5_000;
    this.#attempts = options.attempts ?? 5;
  }

  /**
   * @throws EventError EVENT_INVALID | EVENT_TOO_LARGE | STREAM_MISSING | LOG_FULL | BROKER_UNAVAILABLE
   * @throws VersionConflictError with the actual version
   * @throws ConflictingPayloadError when the id is taken by another payload
   */
  async append(event: unknown, options: AppendOptions = {}): Promise<Appended> {
    const { expectedVersion } = options;
    const prepared = prepare(stamped(event, expectedVersion), this.#log, this.#limits);
    const requestOptions = {
      headers: appendHeaders(prepared, this.#log, expectedVersion),
      timeout: this.#ackTimeoutMs,
    };
    let reply: PublishReply;
    try {
      reply = await this.#confirmed(() => this.#send(prepared, requestOptions));
    } catch (error) {
      throw await this.#explained(error, prepared, expectedVersion);
    }
    if (reply.duplicate) await this.#checkDuplicate(prepared, reply.seq, options);
    return { id: prepared.event.id, sequence: reply.seq, duplicate: reply.duplicate };
  }

  /**
   * Appends many events, up to `window` at a time. Events of one memory go one after the other, so
   * a repeated attempt cannot put them out of order; a failure is a result, and the rest goes on.
   */
  async *appendAll<Item>(
    items: AsyncIterable<Item> | Iterable<Item>,
    options: {
      readonly window?: number;
      /** What to append for an item, and how. */
      readonly event: (item: Item) => { readonly event: unknown; readonly options?: AppendOptions };
    },
  ): AsyncGenerator<AppendResult<Item>> {
    const window = options.window ?? 256;
    const inFlight: Promise<AppendResult<Item>>[] = [];
    const lastOfMemory = new Map<string, Promise<unknown>>();
    for await (const item of items) {
      const { event, options: how } = options.event(item);
      const memory = memoryOf(event);
      const before = lastOfMemory.get(memory) ?? Promise.resolve();
      const result = before
        .then(() => this.append(event, how))
        .then(
          (appended): AppendResult<Item> => ({ item, ok: true, appended }),
          (error: unknown): AppendResult<Item> => ({ item, ok: false, error }),
        );
      lastOfMemory.set(memory, result);
      void result.then(() => {
        if (lastOfMemory.get(memory) === result) lastOfMemory.delete(memory);
      });
      inFlight.push(result);
      const oldest = inFlight.length >= window ? inFlight.shift() : undefined;
      if (oldest !== undefined) yield await oldest;
    }
    for (const result of inFlight) yield await result;
  }

  /**
   * All of the events, or none (at most 1,000). When some are in the log already the server refuses
   * the batch as a whole; they are then appended one by one, which stores what is missing.
   * @throws as `append`, and EventError BATCH_REJECTED
   */
  async appendBatch(events: readonly unknown[], options: AppendOptions = {}): Promise<Appended[]> {
    const { expectedVersion } = options;
    const [first] = events;
    if (first === undefined) return [];
    if (events.length === 1) return [await this.append(first, options)];
    const batch = events.map((event) =>
      prepare(stamped(event, expectedVersion), this.#log, this.#limits),
    );
    try {
      const last = await this.#confirmed(() => this.#sendBatch(batch, expectedVersion));
      return batch.map(({ event }, index) => ({
        id: event.id,
        sequence: last.seq - batch.length + 1 + index,
        duplicate: false,
      }));
    } catch (error) {
      if (error instanceof ServerRefusal && error.isBatchDuplicate) {
        const appended: Appended[] = [];
        // One after the other: the order of the batch is the order of the log. The expectation is
        // dropped, since a part of the batch being there already means it was met then.
        for (const event of events) {
          const { expectedVersion: _met, ...how } = options;
          appended.push(await this.append(event, how));
        }
        return appended;
      }
      throw await this.#explained(error, batch[0] as Prepared, expectedVersion);
    }
  }

  /** The memory's version: the stream sequence of its last event, 0 when it has none. */
  async versionOf(tenant: string, memory: string): Promise<number> {
    const manager = await this.#jetstream();
    const last = await manager.direct.getMessage(this.#log.stream, {
      last_by_subj: memoryFilter(this.#log.root, tenant, memory),
    });
    return last?.seq ?? 0;
  }

  async #send(prepared: Prepared, options: RequestOptions): Promise<PublishReply> {
    const reply = await this.#connection.request(prepared.subject, prepared.payload, options);
    return parseReply(reply.string());
  }

  /**
   * The client's own batch drops Msg-Id and expectations after the first message and hides the
   * server's errors, so the headers are set here and every reply is read.
   */
  async #sendBatch(
    batch: readonly Prepared[],
    expectedVersion: number | undefined,
  ): Promise<PublishReply> {
    const batchId = nuid.next();
    let reply: Msg | undefined;
    for (const [index, prepared] of batch.entries()) {
      // The expectation holds for the batch as a whole and is stated once.
      const header = appendHeaders(prepared, this.#log, index === 0 ? expectedVersion : undefined);
      header.set('Nats-Batch-Id', batchId);
      header.set('Nats-Batch-Sequence', String(index + 1));
      const isLast = index === batch.length - 1;
      if (isLast) header.set('Nats-Batch-Commit', '1');
      const { subject, payload } = prepared;
      if (index > 0 && !isLast) {
        this.#connection.publish(subject, payload, { headers: header });
        continue;
      }
      // The first is confirmed (with an empty reply), so that a missing stream shows at once.
      reply = await this.#connection.request(subject, payload, {
        headers: header,
        timeout: this.#ackTimeoutMs,
      });
      if (reply.data.length > 0) parseReply(reply.string());
    }
    return parseReply(reply?.string() ?? '{}');
  }

  /** Repeats an attempt whose outcome is unknown; what the server decided is final. */
  async #confirmed<Reply>(attempt: () => Promise<Reply>): Promise<Reply> {
    for (let number = 1; ; number += 1) {
      try {
        return await attempt();
      } catch (error) {
        if (error instanceof ServerRefusal || number >= this.#attempts) throw error;
        if (this.#connection.isClosed()) throw error;
        await delay(Math.min(2_000, 50 * 2 ** number) * (0.5 + Math.random()));
      }
    }
  }

  async #explained(
    error: unknown,
    prepared: Prepared,
    expectedVersion: number | undefined,
  ): Promise<unknown> {
    const { stream } = this.#log;
    if (error instanceof ServerRefusal) {
      if (error.isConflict) {
        const { tenantid, subject } = prepared.event;
        const actual = error.actualSequence ?? (await this.versionOf(tenantid, subject));
        return new VersionConflictError(subject, expectedVersion ?? 0, actual);
      }
      const code = error.isFull ? 'LOG_FULL' : 'BATCH_REJECTED';
      return new EventError(code, `stream ${stream} refused the append: ${error.message}`, error);
    }
    // No stream listens on the subject: nobody answers, which is not the same as a slow answer.
    if (error instanceof Error && /no responders/i.test(`${error.message} ${String(error.cause)}`)) {
      return new EventError('STREAM_MISSING', `no stream takes ${prepared.subject}`, error);
    }
    const reason = error instanceof Error ? error.message : String(error);
    return new EventError('BROKER_UNAVAILABLE', `the append was not confirmed: ${reason}`, error);
  }

  /** Msg-Id dedupe ignores the payload, so the publisher looks at what is stored under it. */
  async #checkDuplicate(prepared: Prepared, sequence: number, options: AppendOptions): Promise<void> {
    const manager = await this.#jetstream();
    const stored = await manager.direct.getMessage(this.#log.stream, { seq: sequence });
    if (stored === null) return;
    const before = stored.json<Envelope>();
    if (!samePayload(before, prepared.event, options.timeIsAssigned !== true)) {
      throw new ConflictingPayloadError(prepared.event.id, sequence);
    }
  }

  #jetstream(): Promise<JetStreamManager> {
    this.#manager ??= jetstreamManager(this.#connection, { checkAPI: false });
    return this.#manager;
  }
}

/** An optimistic append says in the event itself on which version it was decided. */
function stamped(event: unknown, expectedVersion: number | undefined): unknown {
  if (expectedVersion === undefined || typeof event !== 'object' || event === null) return event;
  return { ...event, aggregateversion: expectedVersion };
}

function memoryOf(event: unknown): string {
  const { tenantid, subject } = (event ?? {}) as Partial<Envelope>;
  return `${String(tenantid)}.${String(subject)}`;
}
