import { messageAt } from '@memfleet/events';
import { type FleetConfig, type JetStreamManager, readStored, streamInfo } from '@memfleet/runtime';
import type { NatsConnection } from '@nats-io/transport-node';
import { type StoredLetter, storedLetter } from './stored-letter.ts';

/** Which dead letters are meant; an omitted field matches any. */
export interface LetterFilter {
  readonly stage?: string | undefined;
  readonly tenant?: string | undefined;
  readonly memory?: string | undefined;
  readonly reason?: string | undefined;
  readonly parkedBefore?: Date | undefined;
  readonly parkedAfter?: Date | undefined;
  readonly limit?: number | undefined;
}

/**
 * Reads the dead letters that match a filter, oldest first, among those that existed at the start:
 * letters parked meanwhile are not followed. The server selects by stage, tenant and memory.
 * @throws RuntimeError STREAM_MISSING, and the errors of `readStored`
 */
export async function* readLetters(
  { connection, jsm }: { readonly connection: NatsConnection; readonly jsm: JetStreamManager },
  config: FleetConfig,
  filter: LetterFilter = {},
): AsyncGenerator<StoredLetter> {
  const { stream, root } = config.deadLetters;
  const { stage = '*', tenant = '*', memory = '*', limit = Number.POSITIVE_INFINITY } = filter;
  const { state } = await streamInfo(jsm, stream);
  const subject = `${root}.${stage}.${tenant}.${memory}`;
  const from = filter.parkedAfter ?? 1;
  let count = 0;
  for await (const message of readStored(connection, stream, { from, subject })) {
    if (count >= limit || message.seq > state.last_seq) return;
    if (filter.parkedBefore !== undefined && message.time >= filter.parkedBefore) return;
    const letter = storedLetter(config, message);
    if (filter.reason !== undefined && letter.reason !== filter.reason) continue;
    count += 1;
    yield letter;
  }
}

/** One letter; undefined when no letter has that id (any more). */
export async function findLetter(
  jsm: JetStreamManager,
  config: FleetConfig,
  id: number,
): Promise<StoredLetter | undefined> {
  const message = await messageAt(jsm, config.deadLetters.stream, { seq: id });
  return message === null ? undefined : storedLetter(config, message);
}
