import { messageOf } from '@memfleet/runtime';
import type { Job } from '../job.ts';
import type { Running } from './running.ts';

/** Asks for a redelivery after a delay: the stage holds the events no longer. */
export function giveBack(
  { slots, log }: Pick<Running, 'slots' | 'log'>,
  jobs: readonly Job[],
  afterMs: number,
): void {
  for (const job of jobs) {
    try {
      job.message.nak(afterMs);
    } catch (error) {
      // The server redelivers it once its ack wait is over.
      log.warn({ reason: messageOf(error) }, 'an event could not be given back');
    } finally {
      slots.letGo(job);
    }
  }
}
