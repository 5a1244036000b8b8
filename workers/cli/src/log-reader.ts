import { messageAt } from '@memfleet/events';
import type { JetStreamManager, StoredMsg } from '@memfleet/runtime';

const PAGE = 500;

/**
 * Messages of the stream from a position on, in order, page by page; with a subject, only those it
 * matches. Read directly from the stored stream: no consumer is made, and none is left behind.
 */
export async function* readStored(
  jsm: JetStreamManager,
  stream: string,
  from: { readonly seq: number; readonly subject?: string },
): AsyncGenerator<StoredMsg> {
  let seq = from.seq;
  for (;;) {
    let pending = 0;
    for await (const message of readBatch(jsm, stream, { ...from, seq, batch: PAGE })) {
      pending = message.pending;
      seq = message.seq + 1;
      yield message;
    }
    if (pending === 0) return;
  }
}

/** The first message at or after a position that the subject matches; undefined when there is none. */
export async function firstFrom(
  jsm: JetStreamManager,
  stream: string,
  from: { readonly seq: number; readonly subject?: string },
): Promise<StoredMsg | undefined> {
  const query = { seq: from.seq, next_by_subj: from.subject ?? '>' };
  return (await messageAt(jsm, stream, query)) ?? undefined;
}

/** What lies at or after a position: how much, and the first of it. */
export interface Rest {
  readonly count: number;
  readonly first: StoredMsg | undefined;
}

/**
 * Counts the messages from a position on that a subject matches. The server says with each message
 * of a batch how many follow, so one message tells it, however many there are.
 */
export async function countFrom(
  jsm: JetStreamManager,
  stream: string,
  from: { readonly seq: number; readonly subject: string },
): Promise<Rest> {
  let rest: Rest = { count: 0, first: undefined };
  for await (const message of readBatch(jsm, stream, { ...from, batch: 1 })) {
    rest = { count: message.pending + 1, first: message };
  }
  return rest;
}

const NOTHING_FOUND = 404;

/** The client reports a batch without a message as an error. */
async function* readBatch(
  jsm: JetStreamManager,
  stream: string,
  {
    seq,
    batch,
    subject,
  }: { readonly seq: number; readonly batch: number; readonly subject?: string },
): AsyncGenerator<StoredMsg> {
  const filter = subject === undefined ? {} : { next_by_subj: subject };
  try {
    yield* await jsm.direct.getBatch(stream, { seq, batch, ...filter });
  } catch (error) {
    if ((error as { code?: unknown }).code !== NOTHING_FOUND) throw error;
  }
}
