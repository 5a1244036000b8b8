import { parseStoredSubject } from '@memfleet/events';
import { type FleetConfig, messageOf, type Received, RuntimeError } from '@memfleet/runtime';
import {
  errors,
  headers,
  type Msg,
  type MsgHdrs,
  type NatsConnection,
} from '@nats-io/transport-node';

/** The facts about a failure that are known when its event is parked. */
export interface DeadLetter {
  readonly stage: string;
  readonly stageVersion: number;
  readonly reason: string;
  /** One sentence; never the content. */
  readonly message: string;
  readonly attempts: number;
  readonly eventId: string | undefined;
  readonly correlationId: string | undefined;
  readonly traceparent: string | undefined;
  /**
   * How often the event was redriven before, where that is known better than from its message: a redriven
   * event may come to its end through a redelivery from the log.
   */
  readonly redrives?: number;
}

export const DEAD_LETTER_HEADERS = {
  stage: 'Memfleet-Stage',
  stageVersion: 'Memfleet-Stage-Version',
  reason: 'Memfleet-Reason',
  message: 'Memfleet-Message',
  attempts: 'Memfleet-Attempts',
  sequence: 'Memfleet-Sequence',
  subject: 'Memfleet-Subject',
  eventId: 'Memfleet-Event-Id',
  correlationId: 'Memfleet-Correlation-Id',
  parkedAt: 'Memfleet-Parked-At',
  /** How often the event was redriven before. */
  redrives: 'Memfleet-Redrives',
  /** `log`: too large to be copied; the bytes are in the log, at the sequence. */
  bytes: 'Memfleet-Bytes',
} as const;

/** The most bytes that the headers of a letter take. */
const HEADER_ROOM = 4_096;

/** A header's value is one line of printable ASCII, whatever an error message contains. */
const UNPRINTABLE = /[^\x20-\x7e]+/g;

/**
 * Parks a message: its original bytes and headers, and the reason. The server confirms it before this
 * returns. The Msg-Id consists of stage, log position and number of the redrive: parking again after a
 * crash adds nothing, while another failure after a redrive adds a letter.
 * @throws RuntimeError DEAD_LETTERS_FULL | DEAD_LETTERS_REFUSED | STREAM_MISSING when the server stored
 *   none; another error when its answer is not known, or the letter cannot be written (`isUnanswered`)
 */
export async function parkMessage(
  connection: NatsConnection,
  config: FleetConfig,
  message: Received,
  letter: DeadLetter,
): Promise<void> {
  const subject = parseStoredSubject(config.log.root, message.subject);
  const target = [
    config.deadLetters.root,
    letter.stage,
    subject?.tenant ?? 'unknown',
    subject?.memory ?? 'unknown',
  ].join('.');
  // The letter adds headers to an event that may be as large as the server allows.
  const room = (connection.info?.max_payload ?? Number.POSITIVE_INFINITY) - HEADER_ROOM;
  const original = originalHeaders(message);
  const isCopied = message.data.length + bytesOf(original) <= room;
  const send = async (copied: boolean): Promise<string | undefined> => {
    const header = letterHeaders(config, { message, original, isCopied: copied }, letter);
    return await sent(connection, config, target, copied ? message.data : new Uint8Array(), header);
  };
  let refusal = await send(isCopied);
  // The stream's limit may be lower than the server's. That concerns this letter and no other.
  if (isCopied && refusal !== undefined && TOO_LARGE.test(refusal)) refusal = await send(false);
  if (refusal === undefined) return;
  throw new RuntimeError(
    FULL.test(refusal) ? 'DEAD_LETTERS_FULL' : 'DEAD_LETTERS_REFUSED',
    `stream ${config.deadLetters.stream} refused a dead letter: ${refusal}`,
  );
}

/** @returns why the stream refuses it; undefined when the stream has stored it */
async function sent(
  connection: NatsConnection,
  config: FleetConfig,
  target: string,
  data: Uint8Array,
  header: MsgHdrs,
): Promise<string | undefined> {
  let reply: Msg;
  try {
    const timeout = config.broker.requestTimeout;
    reply = await connection.request(target, data, { headers: header, timeout });
  } catch (error) {
    throw unsent(config, target, error);
  }
  const { error } = reply.json<{ error?: { description?: string } }>();
  if (error === undefined) return undefined;
  return error.description ?? 'no reason given';
}

/** A limit of the stream for one message. */
const TOO_LARGE = /message size exceeds/i;
/** A limit of the stream, the account or the server's disk. */
const FULL = /exceeded|no space|insufficient/i;

/** Why a letter got no answer: a missing listener or permission differs from a slow answer. */
function unsent({ deadLetters }: FleetConfig, target: string, error: unknown): unknown {
  const reasons = [error, error instanceof Error ? error.cause : undefined];
  if (reasons.some((reason) => reason instanceof errors.PermissionViolationError)) {
    const sentence = `${target} is not permitted: ${messageOf(error)}`;
    return new RuntimeError('DEAD_LETTERS_REFUSED', sentence, error);
  }
  if (reasons.some((reason) => reason instanceof errors.NoRespondersError)) {
    const sentence = `no stream takes dead letters; ${deadLetters.stream} should`;
    return new RuntimeError('STREAM_MISSING', sentence, error);
  }
  return error;
}

/** Whether the server has not answered, for lack of time or of a connection. */
export function isUnanswered(error: unknown): boolean {
  const kinds = [
    errors.TimeoutError,
    errors.NoRespondersError,
    errors.ClosedConnectionError,
    errors.DrainingConnectionError,
    errors.ConnectionError,
  ];
  return [error, error instanceof Error ? error.cause : undefined].some((reason) =>
    kinds.some((kind) => reason instanceof kind),
  );
}

type Headers = readonly (readonly [name: string, values: readonly string[]])[];

/**
 * None where the client cannot parse them, as with a space in a name: the letter goes without them, and
 * gives their position in the log.
 */
function originalHeaders(message: Received): Headers {
  try {
    return [...(message.headers ?? [])];
  } catch {
    return [];
  }
}

function bytesOf(original: Headers): number {
  let bytes = 0;
  for (const [name, values] of original) {
    for (const value of values) bytes += name.length + Buffer.byteLength(value) + 4;
  }
  return bytes;
}

interface Copied {
  readonly message: Received;
  readonly original: Headers;
  /** Whether the letter holds a copy of the event's bytes. */
  readonly isCopied: boolean;
}

function letterHeaders(
  config: FleetConfig,
  { message, original, isCopied }: Copied,
  letter: DeadLetter,
): MsgHdrs {
  const result = headers();
  // The original headers stay, except those that would steer this publish or pose as the letter's.
  for (const [name, values] of original) {
    if (!isCopied || name.startsWith('Nats-') || name.startsWith('Memfleet-')) continue;
    for (const value of values) result.append(name, value);
  }
  const set = (name: string, value: string | number | undefined): void => {
    if (value === undefined) return;
    result.set(name, String(value).replaceAll(UNPRINTABLE, ' ').slice(0, 1_000));
  };
  const names = DEAD_LETTER_HEADERS;
  const sequence = message.info.streamSequence;
  const { redrives = message.redrives } = letter;
  const position = `${config.log.stream}:${sequence}:${redrives === 0 ? '' : `redrive-${redrives}:`}`;
  set('Nats-Msg-Id', `${letter.stage}:${letter.stageVersion}:${position}${letter.eventId ?? ''}`);
  set('Nats-Expected-Stream', config.deadLetters.stream);
  set(names.stage, letter.stage);
  set(names.stageVersion, letter.stageVersion);
  set(names.reason, letter.reason);
  set(names.message, letter.message);
  set(names.attempts, letter.attempts);
  set(names.sequence, sequence);
  set(names.subject, message.subject);
  set(names.eventId, letter.eventId);
  set(names.correlationId, letter.correlationId);
  set(names.redrives, redrives);
  set(names.parkedAt, new Date().toISOString());
  if (!isCopied) set(names.bytes, 'log');
  set('traceparent', letter.traceparent);
  return result;
}
