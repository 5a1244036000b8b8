import {
  type JetStreamManager,
  jetstreamManager,
  type SeqMsgRequest,
  type StoredMsg,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LogNames } from './append.ts';
import { EventError } from './errors.ts';
import { TOKEN_PATTERN } from './ids.ts';
import { messageAt } from './message-at.ts';
import { confirmed, unconfirmed } from './refusal.ts';
import { memoryFilter } from './subjects.ts';

/** Looks at single messages of the log, as a publisher needs to. */
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

  /** The stream sequence of the memory's last event, 0 when it has none. May lag on a replica. */
  async versionOf(tenant: string, memory: string): Promise<number> {
    // A wildcard here would read across memories and tenants.
    if (!TOKEN_PATTERN.test(tenant) || !TOKEN_PATTERN.test(memory)) {
      throw new EventError(
        'EVENT_INVALID',
        'tenant and memory must be 1 to 64 letters, digits, "_" or "-"',
      );
    }
    const query = { last_by_subj: memoryFilter(this.#log.root, tenant, memory) };
    const last = await this.#ask((manager) => manager.direct.getMessage(this.#log.stream, query));
    return last?.seq ?? 0;
  }

  /** The message at a sequence; `null` when it is no longer there. */
  async at(sequence: number): Promise<StoredMsg | null> {
    return await this.#message({ seq: sequence });
  }

  /** The memory's first event after a sequence. */
  async nextOf(tenant: string, memory: string, after: number): Promise<StoredMsg | null> {
    const query = { seq: after + 1, next_by_subj: memoryFilter(this.#log.root, tenant, memory) };
    return await this.#message(query);
  }

  #message(query: SeqMsgRequest): Promise<StoredMsg | null> {
    return this.#ask((manager) => messageAt(manager, this.#log.stream, query));
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
