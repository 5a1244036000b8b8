import {
  JetStreamApiError,
  type JetStreamManager,
  jetstreamManager,
  type StoredMsg,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LogNames } from './append.ts';
import { EventError } from './errors.ts';
import { TOKEN_PATTERN } from './ids.ts';
import { messageAt } from './message-at.ts';
import { confirmed, unconfirmed } from './refusal.ts';
import { memoryFilter } from './subjects.ts';

/** The server's code for a stream that does not exist (server/errors.json). */
const NO_STREAM = 10_059;

/** Reads single messages of the log for a publisher. */
export class LogReader {
  readonly #connection: NatsConnection;
  readonly #log: LogNames;
  readonly #attempts: number;
  #manager: Promise<JetStreamManager> | undefined;

  constructor(connection: NatsConnection, log: LogNames, attempts: number) {
    this.#connection = connection;
    this.#log = log;
    this.#attempts = attempts;
  }

  /** The stream sequence of the memory's last event, 0 when it has none. */
  async versionOf(tenant: string, memory: string): Promise<number> {
    // A wildcard here would read across memories and tenants.
    if (!TOKEN_PATTERN.test(tenant) || !TOKEN_PATTERN.test(memory)) {
      throw new EventError(
        'EVENT_INVALID',
        'tenant and memory must be 1 to 64 letters, digits, "_" or "-"',
      );
    }
    const last = await this.#message({
      last_by_subj: memoryFilter(this.#log.root, tenant, memory),
    });
    return last?.seq ?? 0;
  }

  /** The message at a sequence; `null` when it is no longer there. */
  async at(sequence: number): Promise<StoredMsg | null> {
    return await this.#message({ seq: sequence });
  }

  /** The memory's first event after a sequence. */
  async nextOf(tenant: string, memory: string, after: number): Promise<StoredMsg | null> {
    const subject = memoryFilter(this.#log.root, tenant, memory);
    return await this.#message({ seq: after + 1, next_by_subj: subject });
  }

  #message(place: Parameters<typeof messageAt>[2]): Promise<StoredMsg | null> {
    const { stream } = this.#log;
    return this.#ask(async (manager) => {
      try {
        return await messageAt(manager, stream, place);
      } catch (error) {
        if (!(error instanceof JetStreamApiError) || error.code !== NO_STREAM) throw error;
        throw new EventError('STREAM_MISSING', `there is no stream ${stream}`, error);
      }
    });
  }

  async #ask<Answer>(question: (manager: JetStreamManager) => Promise<Answer>): Promise<Answer> {
    try {
      this.#manager ??= jetstreamManager(this.#connection, { checkAPI: false });
      const manager = await this.#manager;
      return await confirmed(this.#connection, this.#attempts, () => question(manager));
    } catch (error) {
      throw unconfirmed(error, `a read of stream ${this.#log.stream}`);
    }
  }
}
