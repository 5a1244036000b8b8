import { randomUUID } from 'node:crypto';
import {
  type Appended,
  createEvent,
  type Envelope,
  type LogNames,
  type NewEvent,
  registry,
} from '@memfleet/events';
import type { BrokerClients } from '../../support/broker.ts';
import { readLog } from '../../support/log-stream.ts';

/** A new event of a memory that no other test uses. */
export function event(changes: Partial<NewEvent> = {}): Envelope {
  return createEvent({
    tenant: 'acme',
    memory: randomUUID(),
    type: 'memory.created',
    source: '/agents/support',
    data: { content: 'Ada prefers tea to coffee.' },
    ...changes,
  });
}

/** What the log holds of a memory, in order. */
export async function storedIn({ connection }: BrokerClients, log: LogNames, memory: string) {
  const messages = await readLog(connection, log);
  return messages.flatMap(({ sequence, subject, bytes }) => {
    const decoded = registry.decode(bytes, { root: log.root, subject });
    if (decoded.kind !== 'known') throw new Error(`${subject} is ${decoded.kind}`);
    return decoded.event.subject === memory
      ? [{ sequence, subject, event: decoded.event, bytes }]
      : [];
  });
}

export function asDuplicate({ id, sequence }: Appended): Appended {
  return { id, sequence, duplicate: true };
}

export async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value: unknown) => {
      throw new Error(`it did not fail: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}
