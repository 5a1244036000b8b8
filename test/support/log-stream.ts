import { randomUUID } from 'node:crypto';
import { type LogNames, publishPattern, storedTemplate } from '@memfleet/events';
import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType,
  StoreCompression,
  type StreamConfig,
} from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';

const NANOS_PER_SECOND = 1_000_000_000;

/** Names that no other test shares: tests of one server run side by side. */
export function uniqueLog(): LogNames {
  const suffix = randomUUID().slice(0, 8);
  return { stream: `LOG_${suffix}`, root: `log-${suffix}` };
}

/** The log as ARCHITECTURE.md describes it, under names of its own. */
export async function createLogStream(
  connection: NatsConnection,
  log: LogNames = uniqueLog(),
  overrides: Partial<StreamConfig> = {},
): Promise<LogNames> {
  const manager = await jetstreamManager(connection);
  await manager.streams.add({
    name: log.stream,
    subjects: [publishPattern(log.root)],
    subject_transform: { src: publishPattern(log.root), dest: storedTemplate(log.root, 8) },
    storage: StorageType.File,
    retention: RetentionPolicy.Limits,
    discard: DiscardPolicy.New,
    compression: StoreCompression.S2,
    duplicate_window: 120 * NANOS_PER_SECOND,
    deny_delete: true,
    deny_purge: true,
    allow_direct: true,
    allow_atomic: true,
    ...overrides,
  });
  return log;
}

export interface StoredEvent {
  readonly sequence: number;
  readonly subject: string;
  readonly bytes: Uint8Array;
}

/** Everything in the log, in order, as the server holds it. */
export async function readLog(connection: NatsConnection, log: LogNames): Promise<StoredEvent[]> {
  const manager = await jetstreamManager(connection);
  const { state } = await manager.streams.info(log.stream);
  const stored: StoredEvent[] = [];
  let next = Math.max(1, state.first_seq);
  while (next <= state.last_seq) {
    const query = { seq: next, batch: 1_000 };
    let got = 0;
    for await (const { seq, subject, data } of await manager.direct.getBatch(log.stream, query)) {
      stored.push({ sequence: seq, subject, bytes: data });
      next = seq + 1;
      got += 1;
    }
    // Messages deleted since then leave a gap at the end.
    if (got === 0) break;
  }
  return stored;
}
