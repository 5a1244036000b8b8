import { messageAt } from '@memfleet/events';
import { type FleetConfig, type JetStreamManager, streamInfo } from '@memfleet/runtime';
import type { StoredMsg } from '@nats-io/jetstream';
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

/** Letters asked for at once, and bytes: what is in memory at a time, however many there are. */
const PAGE = 500;
const PAGE_BYTES = 4 * 1024 * 1024;

/**
 * The dead letters that a filter names, oldest first, those that were there at the start: what is
 * parked meanwhile is not followed. Stage, tenant and memory are looked up by the server. Read
 * directly from the stored stream: no consumer is made, and none is left behind.
 * @throws RuntimeError STREAM_MISSING | BROKER_REFUSED
 */
export async function* readLetters(
  jsm: JetStreamManager,
  config: FleetConfig,
  filter: LetterFilter = {},
): AsyncGenerator<StoredLetter> {
  const { stream, root } = config.deadLetters;
  const { stage = '*', tenant = '*', memory = '*', limit = Number.POSITIVE_INFINITY } = filter;
  const { state } = await streamInfo(jsm, stream);
  const subject = `${root}.${stage}.${tenant}.${memory}`;
  let count = 0;
  let from: Start = filter.parkedAfter === undefined ? { seq: 1 } : { at: filter.parkedAfter };
  for (;;) {
    let pending = 0;
    for await (const message of readPage(jsm, stream, subject, from)) {
      if (count >= limit || message.seq > state.last_seq) return;
      if (filter.parkedBefore !== undefined && message.time >= filter.parkedBefore) return;
      pending = message.pending;
      from = { seq: message.seq + 1 };
      const letter = storedLetter(config, message);
      if (filter.reason !== undefined && letter.reason !== filter.reason) continue;
      count += 1;
      yield letter;
    }
    if (pending === 0) return;
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

type Start = { readonly seq: number } | { readonly at: Date };

const NOTHING_FOUND = 404;

/** The client reports a page without a message as an error. */
async function* readPage(
  jsm: JetStreamManager,
  stream: string,
  subject: string,
  from: Start,
): AsyncGenerator<StoredMsg> {
  const page = { batch: PAGE, max_bytes: PAGE_BYTES, next_by_subj: subject };
  try {
    yield* await jsm.direct.getBatch(
      stream,
      'at' in from ? { ...page, start_time: from.at } : { ...page, seq: from.seq },
    );
  } catch (error) {
    if ((error as { code?: unknown }).code !== NOTHING_FOUND) throw error;
  }
}
