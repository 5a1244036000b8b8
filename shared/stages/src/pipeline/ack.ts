import { messageOf, type Received } from '@memfleet/runtime';
import type { RecordedJob } from '../job.ts';
import type { Running } from './running.ts';

/** Acks or terminates. The server redelivers an event whose answer it missed; it is concluded then. */
export async function ack(
  { log }: Pick<Running, 'log'>,
  jobs: readonly RecordedJob[],
): Promise<void> {
  const answers = await Promise.allSettled([
    ackAll(
      jobs.filter(({ recorded }) => recorded.parked === undefined).map(({ message }) => message),
    ),
    ...jobs.map(({ message, recorded: { parked } }) => parked && message.term(parked.reason)),
  ]);
  for (const answer of answers) {
    if (answer.status === 'fulfilled') continue;
    log.warn({ reason: messageOf(answer.reason) }, 'a settlement was not confirmed');
  }
}

/**
 * A server takes the acks of one connection to one consumer in order, so the confirmation of the last
 * ack confirms all. (Confirming each one costs a third of a worker's throughput.)
 */
async function ackAll(messages: readonly Received[]): Promise<void> {
  const lasts = new Map(messages.map((message) => [message.info.consumer, message]));
  for (const message of messages) {
    if (lasts.get(message.info.consumer) !== message) message.ack();
  }
  await Promise.all([...lasts.values()].map((message) => message.ackAck()));
}
