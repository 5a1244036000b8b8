import { messageAt } from '@memfleet/events';
import { type FleetConfig, type JetStreamManager, readStored, streamInfo } from '@memfleet/runtime';
import type { NatsConnection } from '@nats-io/transport-node';
import { type StoredLetter, storedLetter } from './stored-letter.ts';

/** Which dead letters are meant; what is left out does not matter. */
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
 * The dead letters that a filter names, oldest first, those that were there at the start: what is
 * parked meanwhile is not followed. Stage, tenant and memory are looked up by the server.
 * @throws RuntimeError STREAM_MISSING, and what `readStored` throws
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

/** One letter; undefined when there is none of that id (any more). */
export async function findLetter(
  jsm: JetStreamManager,
  config: FleetConfig,
  id: number,
): Promise<StoredLetter | undefined> {
  const message = await messageAt(jsm, config.deadLetters.stream, { seq: id });
  return message === null ? undefined : storedLetter(config, message);
}
