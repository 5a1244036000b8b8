import { parseStoredSubject } from '@memfleet/events';
import type { JsMsg } from '@nats-io/jetstream';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import type { FleetConfig } from '../config/schema.ts';

/** What is known of a failure when it is parked. */
export interface DeadLetter {
  readonly stage: string;
  readonly stageVersion: number;
  readonly reason: string;
  /** One sentence; never the content. */
  readonly message: string;
  readonly attempts: number;
  readonly eventId?: string;
  readonly correlationId?: string;
  readonly traceparent?: string;
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
} as const;

/** A header's value is one line of printable ASCII, whatever an error message holds. */
const UNPRINTABLE = /[^\x20-\x7e]+/g;

/**
 * Parks a message: its original bytes and headers, and why. Confirmed by the server before it
 * returns. The Msg-Id is made of stage and log position, so that parking again after a crash adds
 * nothing.
 */
export async function parkMessage(
  connection: NatsConnection,
  config: FleetConfig,
  message: JsMsg,
  letter: DeadLetter,
): Promise<void> {
  const subject = parseStoredSubject(config.log.root, message.subject);
  const target = [
    config.deadLetters.root,
    letter.stage,
    subject?.tenant ?? 'unknown',
    subject?.memory ?? 'unknown',
  ].join('.');
  const reply = await connection.request(target, message.data, {
    headers: letterHeaders(config, message, letter),
    timeout: config.broker.requestTimeout,
  });
  const { error } = reply.json<{ error?: { description?: string } }>();
  if (error !== undefined) {
    throw new Error(`the dead letter was refused: ${error.description ?? 'no reason given'}`);
  }
}

function letterHeaders(config: FleetConfig, message: JsMsg, letter: DeadLetter): MsgHdrs {
  const result = headers();
  // The original headers stay, but for those that would steer this publish.
  for (const [name, values] of message.headers ?? []) {
    if (name.startsWith('Nats-')) continue;
    for (const value of values) result.append(name, value);
  }
  const set = (name: string, value: string | number | undefined): void => {
    if (value !== undefined)
      result.set(name, String(value).replaceAll(UNPRINTABLE, ' ').slice(0, 1_000));
  };
  const names = DEAD_LETTER_HEADERS;
  const sequence = message.info.streamSequence;
  set(
    'Nats-Msg-Id',
    `${letter.stage}:${letter.stageVersion}:${config.log.stream}:${sequence}:${letter.eventId ?? ''}`,
  );
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
  set(names.parkedAt, new Date().toISOString());
  set('traceparent', letter.traceparent);
  return result;
}
