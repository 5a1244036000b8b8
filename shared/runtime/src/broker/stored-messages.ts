import { messageAt } from '@memfleet/events';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import {
  createInbox,
  errors,
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node';
import { messageOf, RuntimeError } from '../errors.ts';
import { isTransientBrokerError } from './transient.ts';

/** A message as a stream holds it. */
export type StoredMessage = Pick<
  StoredMsg,
  'subject' | 'seq' | 'time' | 'timestamp' | 'header' | 'data' | 'pending'
>;

export interface StoredQuery {
  /** The first position, or the time to start from. */
  readonly from: number | Date;
  /** Only messages that match it. */
  readonly subject?: string;
  /** Most messages per answer. Default: 500. */
  readonly batch?: number;
}

/** Most bytes per answer: bounds the memory used, however long the stream is. */
const MOST_BYTES = 4 * 1024 * 1024;
/** Longest gap between two messages of an answer. When the connection breaks, its rest is lost. */
const STALLED_MS = 5_000;
/** Most consecutive answers without a message. */
const MOST_SILENT = 3;

/**
 * Reads messages of a stream in order, directly from its store, without a consumer that could be left
 * behind. `pending` of each says how many follow. When an answer breaks off, the rest is requested again.
 * @throws RuntimeError BROKER_UNREACHABLE when several answers in a row break off before their first message
 */
export async function* readStored(
  connection: NatsConnection,
  stream: string,
  { from, subject, batch = 500 }: StoredQuery,
  stalledMs = STALLED_MS,
): AsyncGenerator<StoredMessage> {
  let next = typeof from === 'number' ? { seq: from } : { start_time: from };
  const filter = subject === undefined ? {} : { next_by_subj: subject };
  const asked = { batch, max_bytes: MOST_BYTES, ...filter };
  for (let silent = 0; ;) {
    let [came, pending] = [0, 0];
    try {
      for await (const message of page(connection, stream, { ...asked, ...next }, stalledMs)) {
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
        const message = `NATS does not send the messages of stream ${stream}: ${messageOf(error)}`;
        throw new RuntimeError('BROKER_UNREACHABLE', message, error);
      }
    }
  }
}

/** The first message at or after a position that matches the subject; undefined if none does. */
export async function firstStored(
  jsm: JetStreamManager,
  stream: string,
  { from, subject = '>' }: { readonly from: number; readonly subject?: string },
): Promise<StoredMsg | undefined> {
  return (await messageAt(jsm, stream, { seq: from, next_by_subj: subject })) ?? undefined;
}

/** The number of messages from a position on, and the first of them. */
export interface Rest {
  readonly count: number;
  readonly first: StoredMessage | undefined;
}

/** The server sends with each message how many follow, so reading one message is enough. */
export async function countStored(
  connection: NatsConnection,
  stream: string,
  { from, subject }: { readonly from: number; readonly subject: string },
): Promise<Rest> {
  for await (const first of readStored(connection, stream, { from, subject, batch: 1 })) {
    return { count: first.pending + 1, first };
  }
  return { count: 0, first: undefined };
}

/** A direct get, in the server's own names. */
interface PageQuery {
  readonly batch: number;
  readonly max_bytes: number;
  readonly seq?: number;
  readonly start_time?: Date;
  readonly next_by_subj?: string;
}

/**
 * One answer, up to its last message. The client offers this as `getBatch`, which interprets the headers
 * that somebody stored as its own: a status line there ends the answer, a name that it refuses ends the
 * connection. This one reads only the headers that the server adds.
 * @throws TimeoutError when it breaks off, NoRespondersError
 */
async function* page(
  connection: NatsConnection,
  stream: string,
  query: PageQuery,
  stalledMs: number,
): AsyncGenerator<StoredMessage> {
  const inbox = createInbox();
  const arrived: Msg[] = [];
  let failure: Error | undefined;
  let wake: (() => void) | undefined;
  const subscription = connection.subscribe(inbox, {
    callback: (error, message) => {
      if (error === null) arrived.push(message);
      else failure = error;
      wake?.();
    },
  });
  try {
    const target = `$JS.API.DIRECT.GET.${stream}`;
    connection.publish(target, JSON.stringify(query), { reply: inbox });
    for (;;) {
      const message = arrived.shift();
      if (message !== undefined) {
        const stored = storedMessage(message);
        if ('code' in stored) return checkEnd(stored, target);
        yield stored;
        continue;
      }
      if (failure !== undefined) throw failure;
      const woken = Promise.withResolvers<boolean>();
      wake = () => woken.resolve(true);
      const timer = setTimeout(() => woken.resolve(false), stalledMs);
      const isWoken = await woken.promise;
      clearTimeout(timer);
      if (!isWoken) throw new errors.TimeoutError();
    }
  } finally {
    if (!subscription.isClosed()) subscription.unsubscribe();
  }
}

/** A status message of the server, in place of a stored one. */
type AnswerStatus = Pick<MsgHdrs, 'code' | 'description'>;

/** Nothing more to read, or nothing at all. */
const ORDERLY: ReadonlySet<number> = new Set([204, 404]);
const NO_RESPONDERS = 503;

function checkEnd({ code, description }: AnswerStatus, target: string): void {
  if (ORDERLY.has(code)) return;
  if (code === NO_RESPONDERS) throw new errors.NoRespondersError(target);
  throw new Error(`NATS refuses to read a stream: ${code} ${description}`);
}

const SEQUENCE = 'Nats-Sequence';

/** The server appends its headers to the stored ones, which may have the same names: the last one counts. */
function storedMessage(message: Msg): StoredMessage | AnswerStatus {
  const { data } = message;
  const header = headersOf(message);
  // A status line may have been stored as well.
  if (!header.has(SEQUENCE)) return header;
  const timestamp = header.last('Nats-Time-Stamp');
  return {
    subject: header.last('Nats-Subject'),
    seq: Number(header.last(SEQUENCE)),
    time: new Date(timestamp),
    timestamp,
    pending: Number(header.last('Nats-Num-Pending')) || 0,
    header,
    data,
  };
}

/** The headers that the client can read: the server also stores names that the client refuses. */
function headersOf(message: Msg): MsgHdrs {
  try {
    return message.headers ?? headers();
  } catch {
    const header = headers();
    for (const line of headerText(message).split('\r\n').slice(1)) {
      const at = line.indexOf(':');
      try {
        if (at > 0) header.append(line.slice(0, at), line.slice(at + 1).trim());
      } catch {
        // The header whose name the client refuses.
      }
    }
    return header;
  }
}

/** The headers precede the data in the same buffer. `size` of the client tells their length; its types omit it. */
function headerText(message: Msg): string {
  const { data, subject, reply = '' } = message;
  const all = (message as Msg & { size(): number }).size();
  const length = all - Buffer.byteLength(subject) - Buffer.byteLength(reply) - data.length;
  return Buffer.from(data.buffer, data.byteOffset - length, length).toString();
}
