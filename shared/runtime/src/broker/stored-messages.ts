import { messageAt } from '@memfleet/events';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { messageOf, RuntimeError } from '../errors.ts';
import { isTransientBrokerError } from './transient.ts';

export interface StoredQuery {
  /** The first position, or the time from which on. */
  readonly from: number | Date;
  /** Only what it matches. */
  readonly subject?: string;
  /** Most messages of one answer. Default: 500. */
  readonly batch?: number;
}

/** Of one answer: what is in memory at a time, however much there is. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Between two messages of one answer. A connection that breaks takes the rest of an answer with it. */
const STALLED_MS = 5_000;
/** Answers in a row without a message. */
const MOST_SILENT = 3;
const NOTHING_FOUND = 404;

/**
 * Messages of a stream in order, read directly from its store: no consumer is made, and none is left
 * behind. An answer that breaks off is asked for again from where it broke.
 * @throws RuntimeError BROKER_UNREACHABLE when several answers in a row break off before their first message
 */
export async function* readStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject, batch = 500 }: StoredQuery,
  stalledMs = STALLED_MS,
): AsyncGenerator<StoredMsg> {
  let next = typeof from === 'number' ? { seq: from } : { start_time: from };
  const filter = subject === undefined ? {} : { next_by_subj: subject };
  const asked = { batch, max_bytes: MOST_BYTES, ...filter };
  for (let silent = 0; ;) {
    let [came, pending] = [0, 0];
    try {
      for await (const message of page(jsm, stream, { ...asked, ...next }, stalledMs)) {
        ({ pending } = message);
        next = { seq: message.seq + 1 };
        came += 1;
        yield message;
      }
      if (pending === 0) return;
    } catch (error) {
      if (!isTransientBrokerError(error)) throw error;
      silent = came > 0 ? 0 : silent + 1;
      if (silent >= MOST_SILENT) {
        const message = `NATS does not send what stream ${stream} holds: ${messageOf(error)}`;
        throw new RuntimeError('BROKER_UNREACHABLE', message, error);
      }
    }
  }
}

/** The first message at or after a position that the subject matches; undefined when there is none. */
export async function firstStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject = '>' }: { readonly from: number; readonly subject?: string },
): Promise<StoredMsg | undefined> {
  return (await messageAt(jsm, stream, { seq: from, next_by_subj: subject })) ?? undefined;
}

/** How many messages there are from a position on, and the first of them. */
export interface Rest {
  readonly count: number;
  readonly first: StoredMsg | undefined;
}

/** The server says with each message how many follow, so one message tells it, however many there are. */
export async function countStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject }: { readonly from: number; readonly subject: string },
): Promise<Rest> {
  for await (const first of readStored(jsm, stream, { from, subject, batch: 1 })) {
    return { count: first.pending + 1, first };
  }
  return { count: 0, first: undefined };
}

type PageQuery = Parameters<JetStreamManager['direct']['getBatch']>[1];

/** One answer. The client reports one without a message as an error, and one that breaks off not at all. */
async function* page(
  jsm: JetStreamManager,
  stream: string,
  query: PageQuery,
  stalledMs: number,
): AsyncGenerator<StoredMsg> {
  const messages = await jsm.direct.getBatch(stream, query);
  const watch = (): NodeJS.Timeout =>
    setTimeout(() => messages.stop(new errors.TimeoutError()), stalledMs);
  let stalled = watch();
  try {
    for await (const message of messages) {
      // Until the next one is asked for nothing is waited for.
      clearTimeout(stalled);
      yield message;
      stalled = watch();
    }
  } catch (error) {
    if ((error as { code?: unknown }).code !== NOTHING_FOUND) throw error;
  } finally {
    clearTimeout(stalled);
    messages.stop();
  }
}
