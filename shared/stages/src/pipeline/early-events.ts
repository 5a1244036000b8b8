import { messageOf } from '@memfleet/runtime';
import { QueuedDelivery } from '../fairness/queued-delivery.ts';
import type { Job } from '../job.ts';
import { giveBack } from './give-back.ts';
import { Patience } from './patience.ts';
import type { UnknownJob } from './read.ts';
import type { Running } from './running.ts';

export type EarlyEventsRun = Pick<Running, 'log' | 'progress' | 'queue' | 'slots'>;

/** When to look at them again: seldom enough that a flood of them costs the others little. */
const AGAIN_MS = { first: 30_000, last: 240_000 };

/** Events that a newer version of the stage may know: during a rolling deploy, its workers take them. */
export class EarlyEvents {
  readonly patience = new Patience();
  readonly #run: EarlyEventsRun;

  constructor(run: EarlyEventsRun) {
    this.#run = run;
  }

  /**
   * Moves events of the log to the queue by tenant. Given back to the durable, they would count towards
   * its limit of outstanding events, and enough of them would stop it for everybody. It never throws.
   */
  async putOff(early: readonly UnknownJob[]): Promise<void> {
    const [first] = early;
    if (first === undefined) return;
    const { queue, slots, progress, log } = this.#run;
    const { reason } = first.decoded;
    log.warn(
      { events: early.length, reason },
      'events wait for a newer version of the stage: deploy it, or they are parked after ten minutes',
    );
    for (const _ of early) progress.advanced('retried');
    const { ofLog = [], others = [] } = Object.groupBy(early, (job) =>
      isOfLog(job) ? 'ofLog' : 'others',
    );
    for (const one of others) giveBack(this.#run, [one], afterMs(one));
    if (ofLog.length === 0) return;
    try {
      await queue.put(
        ofLog.map(({ message }) => message),
        AGAIN_MS.first,
      );
      for (const job of ofLog) slots.letGo(job);
    } catch (error) {
      log.warn({ events: ofLog.length, reason: messageOf(error) }, 'events could not be queued');
      giveBack(this.#run, ofLog, AGAIN_MS.first);
    }
  }
}

function afterMs({ message }: Job): number {
  return Math.min(AGAIN_MS.last, AGAIN_MS.first * 2 ** Math.min(message.info.deliveryCount, 10));
}

/** Neither from the tenant queue nor from the queue of redriven events. */
function isOfLog({ message }: Job): boolean {
  return message.redrives === 0 && !(message instanceof QueuedDelivery);
}
