import { type Decoded, registry } from '@memfleet/events';
import type { StoredMessage } from '@memfleet/runtime';

/** One event of the log, as it is stored and as today's schema reads it. */
export interface StoredEvent {
  readonly sequence: number;
  readonly subject: string;
  /** When the server stored it. */
  readonly storedAt: string;
  /** Msg-Id, and the event's key in every dedupe table. */
  readonly key: string;
  /** The bytes as text; base64 when they are not UTF-8. */
  readonly raw: string;
  readonly rawEncoding: 'utf8' | 'base64';
  readonly decoded: Decoded;
}

export function storedEvent(message: StoredMessage, root: string): StoredEvent {
  const bytes = Buffer.from(message.data);
  const text = bytes.toString('utf8');
  const isText = Buffer.from(text, 'utf8').equals(bytes);
  return {
    sequence: message.seq,
    subject: message.subject,
    storedAt: message.timestamp,
    key: message.header.get('Nats-Msg-Id'),
    raw: isText ? text : bytes.toString('base64'),
    rawEncoding: isText ? 'utf8' : 'base64',
    decoded: registry.decode(message.data, { root, subject: message.subject }),
  };
}
