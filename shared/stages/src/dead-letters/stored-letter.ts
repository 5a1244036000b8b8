import { messageAt } from '@memfleet/events';
import type { FleetConfig, JetStreamManager, StoredMessage } from '@memfleet/runtime';
import type { MsgHdrs } from '@nats-io/transport-node';
import { DEAD_LETTER_HEADERS as NAMES } from './dead-letter.ts';

/** A dead letter as its stream holds it. A field that the headers do not give is undefined. */
export interface StoredLetter {
  /** Position in the stream of dead letters. */
  readonly id: number;
  readonly stage: string;
  readonly stageVersion: number | undefined;
  /** `unknown` when the event's subject does not contain it. */
  readonly tenant: string;
  readonly memory: string;
  readonly eventId: string | undefined;
  readonly correlationId: string | undefined;
  readonly reason: string;
  readonly message: string;
  readonly attempts: number;
  /** How often the event was redriven before it was parked. */
  readonly redrives: number;
  readonly logSequence: number | undefined;
  readonly logSubject: string | undefined;
  /** By the server's clock, like every time that is compared. */
  readonly parkedAt: Date;
  /** The same for every letter of one parking, should it exist twice. */
  readonly messageId: string;
  /** Too large to be copied: the bytes are in the log only. */
  readonly isInLog: boolean;
  readonly headers: MsgHdrs;
  readonly data: Uint8Array;
}

/** Turns a message of the stream into the letter it holds. */
export function storedLetter({ deadLetters }: FleetConfig, message: StoredMessage): StoredLetter {
  const { header, subject, seq } = message;
  const [stage = '', tenant = 'unknown', memory = 'unknown'] = subject
    .slice(deadLetters.root.length + 1)
    .split('.');
  const text = (name: string): string | undefined =>
    header.has(name) ? header.get(name) : undefined;
  return {
    id: seq,
    stage,
    stageVersion: whole(text(NAMES.stageVersion)),
    tenant,
    memory,
    eventId: text(NAMES.eventId),
    correlationId: text(NAMES.correlationId),
    reason: text(NAMES.reason) ?? '',
    message: text(NAMES.message) ?? '',
    attempts: whole(text(NAMES.attempts)) ?? 0,
    redrives: whole(text(NAMES.redrives)) ?? 0,
    logSequence: whole(text(NAMES.sequence)),
    logSubject: text(NAMES.subject),
    parkedAt: message.time,
    messageId: text('Nats-Msg-Id') ?? `letter:${seq}`,
    isInLog: text(NAMES.bytes) === 'log',
    headers: header,
    data: message.data,
  };
}

/**
 * Reads the bytes of the event, from the letter or from the log.
 * @returns undefined when the log no longer has them
 */
export async function originalBytes(
  jsm: JetStreamManager,
  log: FleetConfig['log'],
  letter: Pick<StoredLetter, 'data' | 'isInLog' | 'logSequence' | 'logSubject'>,
): Promise<Uint8Array | undefined> {
  const { data, isInLog, logSequence, logSubject } = letter;
  if (!isInLog) return data;
  if (logSequence === undefined) return undefined;
  const stored = await messageAt(jsm, log.stream, { seq: logSequence });
  // Another stream under the same name may have a different event there.
  return stored === null || stored.subject !== logSubject ? undefined : stored.data;
}

function whole(text: string | undefined): number | undefined {
  return text !== undefined && /^\d{1,15}$/.test(text) ? Number(text) : undefined;
}
