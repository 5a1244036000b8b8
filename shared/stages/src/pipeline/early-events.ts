import { type Logger, messageOf, type Progress } from '@memfleet/runtime';
import type { Held, InFlight } from '../admission/in-flight.ts';
import { QueuedDelivery } from '../fairness/queued-delivery.ts';
import type { TenantQueue } from '../fairness/tenant-queue.ts';
import { Patience } from './patience.ts';
import type { ReadBatch } from './read-batch.ts';

export interface EarlyEventsOptions {
  /** Where they wait: they block no event behind them there. */
  readonly queue: Pick<TenantQueue, 'put'>;
  readonly inFlight: InFlight;
  readonly progress: Progress;
  readonly log: Logger;
}

/** When to look at them again: seldom enough that a flood of them costs the others little. */
const AGAIN_MS = { first: 30_000, last: 240_000 };

/** Events that a newer version of the stage may know: during a rolling deploy, its workers take them. */
export class EarlyEvents {
  readonly patience = new Patience();
  readonly #options: EarlyEventsOptions;
  readonly #giveBack: (held: readonly Held[], afterMs: number) => void;

  constructor(
    options: EarlyEventsOptions,
    giveBack: (held: readonly Held[], afterMs: number) => void,
  ) {
    this.#options = options;
    this.#giveBack = giveBack;
  }

  /**
   * Moves events of the log to the queue by tenant. Given back to the durable, they would count towards
   * its limit of outstanding events, and enough of them would stop it for everybody. It never throws.
   */
  async putOff(early: ReadBatch['early']): Promise<void> {
    const [first] = early;
    if (first === undefined) return;
    const { queue, inFlight, progress, log } = this.#options;
    const { reason } = first.decoded;
    log.warn(
      { events: early.length, reason },
      'events wait for a newer version of the stage: deploy it, or they are parked after ten minutes',
    );
    for (const _ of early) progress.advanced('retried');
    const { ofLog = [], others = [] } = Object.groupBy(
      early.map(({ held }) => held),
      (held) => (isOfLog(held) ? 'ofLog' : 'others'),
    );
    for (const one of others) this.#giveBack([one], afterMs(one));
    if (ofLog.length === 0) return;
    try {
      await queue.put(
        ofLog.map(({ message }) => message),
        AGAIN_MS.first,
      );
      for (const held of ofLog) inFlight.letGo(held);
    } catch (error) {
      log.warn({ events: ofLog.length, reason: messageOf(error) }, 'events could not be queued');
      this.#giveBack(ofLog, AGAIN_MS.first);
    }
  }
}

function afterMs({ message }: Held): number {
  return Math.min(AGAIN_MS.last, AGAIN_MS.first * 2 ** Math.min(message.info.deliveryCount, 10));
}

/** Neither from the tenant queue nor from the queue of redriven events. */
function isOfLog({ message }: Held): boolean {
  return message.redrives === 0 && !(message instanceof QueuedDelivery);
}
