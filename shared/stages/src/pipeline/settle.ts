import {
  Batcher,
  crashPoint,
  type FleetConfig,
  type Logger,
  messageOf,
  type Pool,
  type StageConfig,
} from '@memfleet/runtime';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Held } from '../admission/in-flight.ts';
import { type OutputGate, Refused } from '../admission/output-gate.ts';
import type { Finished } from '../claims/dedupe.ts';
import { type Outcome, park, retry } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { backoffMs } from './backoff.ts';
import { Deliverer, type EventIds, type Recorded } from './deliver.ts';
import { Outlet, type Standing, Taken } from './outlet.ts';
import { readDerived, readParked } from './recorded-result.ts';
import { type Checked, Recorder, type Settlement } from './recorder.ts';
import { Releaser } from './releaser.ts';

/** A redelivery of a finished event. */
export interface Repeated {
  readonly held: Held;
  readonly key: string;
  readonly state: Finished['state'];
  /** The recorded result that may not be published yet, as JSON. */
  readonly unpublished: string | undefined;
  readonly redrives: number;
  readonly event: EventIds;
}

/** How an event ended, for the counters. */
export type Settled = Finished['state'] | 'retried' | 'lost' | 'failed';

export interface SettlerOptions<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: Pick<StageConfig, 'batch' | 'linger' | 'maxAttempts'>;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly log: Logger;
  /** Closed while results have nowhere to go. */
  readonly output: OutputGate;
  /** From here on, recorded results that cannot be published are left to other processes. */
  readonly stop: AbortSignal;
  /** Ends waits for a database that refuses results; the rest of the grace period serves to give them back. */
  readonly handBack: AbortSignal;
  /** Ends retries of the database at the end of the grace period. */
  readonly signal: AbortSignal;
}

/**
 * Maps outcomes to the broker, many at a time:
 * done → record, publish, mark, ack · skip → record, ack · park → record, dead letter, mark, term ·
 * retry → release, nak with delay.
 * An event whose claim was lost is not published, acked, naked or terminated: JetStream does not fence.
 *
 * A result that cannot be recorded because the database refuses everything stays in memory, with its
 * claim and its heartbeats, until it can: the call that made it is not paid for twice.
 */
export class Settler<Extra> {
  readonly #options: SettlerOptions<Extra>;
  readonly #deliverer: Deliverer;
  readonly #recorder: Recorder<Extra>;
  readonly #releaser: Releaser;
  readonly #finishing: Batcher<Checked<Extra>, Settled>;
  readonly #releasing: Batcher<Settlement<Extra>, Settled>;
  readonly #delivering: Batcher<Recorded, Settled>;

  constructor(options: SettlerOptions<Extra>) {
    this.#options = options;
    const { output: gate, log, settings, handBack } = options;
    const deliverer = new Deliverer(options);
    this.#deliverer = deliverer;
    this.#recorder = new Recorder(options);
    this.#releaser = new Releaser({ ...options, gate });
    const recording = new Outlet<Checked<Extra>, Settled>({
      gate,
      signal: handBack,
      size: settings.batch,
      attempt: (items, standing) => this.#record(items, standing),
      // At least the claim can be given back, and the cost of the call noted.
      giveUp: (item) => this.#releasing.add({ ...item, outcome: unrecorded(item.outcome) }),
      onWait: ({ held }) => {
        held.awaitsRecord = true;
      },
      onClosed: ({ cause }) => log.error({ cause }, 'results wait to be recorded'),
      onOpen: () => log.info('results are recorded again'),
    });
    const pace = { size: settings.batch, lingerMs: settings.linger };
    this.#finishing = new Batcher({ ...pace, parallel: 3, flush: (all) => recording.put(all) });
    this.#releasing = new Batcher({ ...pace, parallel: 1, flush: (all) => this.#release(all) });
    this.#delivering = new Batcher({
      ...pace,
      parallel: 2,
      flush: async (all): Promise<(Settled | Promise<Settled>)[]> => await deliverer.deliver(all),
    });
  }

  async settle(settlement: Settlement<Extra>): Promise<Settled> {
    const { outcome, held, attempts, event } = settlement;
    if (outcome.kind === 'retry') return await this.#releasing.add(settlement);
    if (held.claim === undefined) {
      if (outcome.kind !== 'park') throw new Error('only a parked event may lack a claim');
      const { reason, message } = outcome;
      const parked = { reason, message, attempts };
      const { redrives } = held.message;
      const letter = { held, key: undefined, redrives, events: [], parked, event };
      return await this.#delivering.add({ ...letter, state: 'parked' });
    }
    // An event that the log would refuse must be found before it is recorded, or it could never leave.
    const derived = outcome.kind === 'done' ? this.#deliverer.prepare(outcome.events) : [];
    return await this.#finishing.add(
      typeof derived === 'string'
        ? { ...settlement, outcome: park('invalid_output', derived), derived: [] }
        : { held, outcome, attempts, event, derived },
    );
  }

  /** Publishes what an earlier delivery recorded, with the ids it was recorded with; then acks. */
  async settleAgain({ unpublished, ...repeated }: Repeated): Promise<Settled> {
    const { state } = repeated;
    const isParked = state === 'parked';
    return await this.#delivering.add({
      ...repeated,
      events: isParked || unpublished === undefined ? [] : readDerived(unpublished),
      parked: isParked && unpublished !== undefined ? readParked(unpublished) : undefined,
    });
  }

  /** Records, then delivers. Events lost to another worker are not reported. */
  async #record(
    items: readonly Checked<Extra>[],
    standing: Standing,
  ): Promise<(Taken<Settled> | Refused)[]> {
    const answers = await this.#recorder.record(items, standing);
    const isRecorded = (index: number): boolean => {
      const answer = answers[index];
      return !(answer instanceof Refused) && answer?.kind === 'recorded';
    };
    const recorded = items.filter((_, index) => isRecorded(index));
    if (recorded.length > 0) crashPoint('after-record');
    for (const { held } of recorded) held.awaitsRecord = false;
    const delivered = (await this.#deliverer.deliver(recorded.map(recordedOf))).values();
    return items.map((item, index) => {
      const answer = answers[index] ?? { kind: 'unknown' };
      if (answer instanceof Refused) return answer;
      switch (answer.kind) {
        case 'recorded':
          return new Taken(delivered.next().value ?? 'failed', this.#recorder.proves(item));
        case 'lost':
          return new Taken<Settled>('lost', false);
        case 'unstorable':
          return new Taken(this.#unstorable(item, answer.error), false);
        case 'unknown':
          break;
      }
      return new Taken<Settled>('failed', false);
    });
  }

  /** Only this event's result cannot be stored: that uses up a try, as if its handler had failed. */
  async #unstorable(item: Checked<Extra>, error: unknown): Promise<Settled> {
    const { log, settings } = this.#options;
    const { held, outcome, attempts, event, isRemnant = false } = item;
    const reason = messageOf(error);
    const eventId = event?.id;
    if (isRemnant) {
      // Not even the parking can be recorded: the claim expires, and counts as abandoned.
      log.error({ eventId, reason }, 'an event could not be parked, it will be redelivered');
      return 'failed';
    }
    log.error({ eventId, attempts, reason }, 'a result could not be stored');
    const use = outcome.kind === 'skip' ? undefined : outcome.use;
    const cost = use === undefined ? {} : { use };
    const cause = `the result could not be stored: ${reason}`;
    if (outcome.kind === 'park') {
      // It may be the cost that cannot be written.
      const { reason: why, message } = outcome;
      const remnant = { ...item, outcome: park(why, message), isRemnant: true };
      return await this.#finishing.add(remnant);
    }
    const isLast = attempts >= settings.maxAttempts;
    const common = { held, attempts, event };
    if (!isLast) {
      const again = { ...retry(backoffMs(attempts), cause), ...cost };
      return await this.#releasing.add({ ...common, outcome: again });
    }
    const message = `${attempts} ${attempts === 1 ? 'try' : 'tries'}, the last: ${cause}`;
    const parked = { ...park('attempts_exhausted', message), ...cost };
    return await this.#finishing.add({ ...common, outcome: parked, derived: [] });
  }

  /** Gives claims back and naks. Events lost to another worker are not reported. */
  async #release(items: readonly Settlement<Extra>[]): Promise<Settled[]> {
    const kept = await this.#releaser.release(items);
    return items.map(({ held, outcome }) => {
      if (held.claim !== undefined && !kept.has(held.claim)) return 'lost';
      held.message.nak(outcome.kind === 'retry' ? outcome.afterMs : 0);
      return 'retried';
    });
  }
}

function unrecorded(outcome: Outcome<unknown>): Outcome<never> {
  const use = outcome.kind === 'skip' ? undefined : outcome.use;
  return { ...retry(0, 'shutting down', false), ...(use === undefined ? {} : { use }) };
}

function recordedOf({ held, outcome, attempts, event, derived }: Checked<unknown>): Recorded {
  const common = {
    held,
    key: held.claim?.key,
    redrives: held.claim?.redrives ?? held.message.redrives,
    event,
  };
  return { ...common, ...resultOf(outcome, attempts, derived) };
}

function resultOf(
  outcome: Outcome<unknown>,
  attempts: number,
  events: Checked<unknown>['derived'],
): Pick<Recorded, 'state' | 'events' | 'parked'> {
  switch (outcome.kind) {
    case 'done':
      return { state: 'done', events, parked: undefined };
    case 'skip':
      return { state: 'skipped', events: [], parked: undefined };
    case 'park': {
      const { reason, message } = outcome;
      return { state: 'parked', events: [], parked: { reason, message, attempts } };
    }
    case 'retry':
      break;
  }
  throw new Error('an event that is to be tried again is not recorded');
}
