import type { PreparedEvent } from '@memfleet/events';
import type { NatsConnection } from '@nats-io/transport-node';
import type { FleetConfig, StageConfig } from '../config/schema.ts';
import type { Pool, Queryable } from '../database/pool.ts';
import { retryTransient, transaction } from '../database/transaction.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import { addSpend, type Spent } from '../providers/spend.ts';
import { Coalescer } from './coalescer.ts';
import { crashPoint } from './crash-points.ts';
import { type Finished, record, release } from './dedupe.ts';
import { Deliverer, type EventIds, type Recorded } from './deliver.ts';
import { type Held, tenantOf } from './in-flight.ts';
import { type Outcome, park } from './outcome.ts';
import { finishedOf, readDerived, readParked } from './results.ts';
import type { Stage } from './stage.ts';

/** An event whose handler has spoken. */
export interface Settlement<Extra> {
  readonly held: Held;
  readonly outcome: Outcome<Extra>;
  readonly attempts: number;
  readonly event: EventIds | undefined;
}

/** A settlement whose derived events are known to be such as the log takes. */
interface Checked<Extra> extends Settlement<Extra> {
  readonly derived: readonly PreparedEvent[];
}

/** A redelivery of an event that is finished. */
export interface Repeated {
  readonly held: Held;
  readonly key: string;
  readonly state: Finished['state'];
  /** What was recorded and may not be published yet, as JSON. */
  readonly unpublished: string | undefined;
  readonly redrives: number;
  readonly event: EventIds;
}

/** What became of it, for the counters. */
export type Settled = Finished['state'] | 'retried' | 'lost' | 'failed';

export interface SettlerOptions<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: Pick<StageConfig, 'batch' | 'linger'>;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  readonly log: Logger;
  /** Ends retries of the database at the end of the grace period. */
  readonly signal: AbortSignal;
}

/**
 * Maps outcomes to the broker, many at a time:
 * done → record, publish, ack · skip → record, ack · park → record, dead letter, term ·
 * retry → release, nak with delay.
 * Nothing is published, acked, naked or terminated for an event whose claim was lost: JetStream
 * does not fence.
 */
export class Settler<Extra> {
  readonly #options: SettlerOptions<Extra>;
  readonly #deliverer: Deliverer;
  readonly #finishing: Coalescer<Checked<Extra>, Settled>;
  readonly #releasing: Coalescer<Settlement<Extra>, Settled>;
  readonly #delivering: Coalescer<Recorded, Finished['state'] | 'failed'>;

  constructor(options: SettlerOptions<Extra>) {
    this.#options = options;
    const deliverer = new Deliverer(options);
    this.#deliverer = deliverer;
    const pace = { size: options.settings.batch, lingerMs: options.settings.linger };
    this.#finishing = new Coalescer({ ...pace, parallel: 3, flush: (all) => this.#finish(all) });
    this.#releasing = new Coalescer({ ...pace, parallel: 1, flush: (all) => this.#release(all) });
    this.#delivering = new Coalescer({
      ...pace,
      parallel: 2,
      flush: (all) => deliverer.deliver(all),
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
    // An event the log would refuse must be known before it is recorded, or it could never leave.
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

  /** Records, then delivers. What was lost to another worker is not spoken of. */
  async #finish(items: readonly Checked<Extra>[]): Promise<Settled[]> {
    let kept: Set<string>;
    try {
      kept = await this.#record(items);
    } catch (error) {
      // Whose the events are is not known, so nothing is said: the ack wait brings them again.
      this.#options.log.error(
        { events: items.length, error },
        'results could not be recorded, their events will be redelivered',
      );
      return items.map(() => 'failed');
    }
    crashPoint('after-record');
    const recorded = items.map((item) => recordedOf(item, kept));
    const delivered = await this.#deliverer.deliver(recorded.filter((item) => item !== undefined));
    const states = delivered.values();
    return recorded.map((item) =>
      item === undefined ? 'lost' : (states.next().value ?? 'failed'),
    );
  }

  /** @returns the keys of those that were still ours */
  async #record(items: readonly Checked<Extra>[]): Promise<Set<string>> {
    const { stage, pool, signal, log } = this.#options;
    const finished: Finished[] = [];
    const extras: { key: string; extra: Extra }[] = [];
    for (const { held, outcome, attempts, derived } of items) {
      const { claim } = held;
      if (claim === undefined || outcome.kind === 'retry') continue;
      finished.push(finishedOf(claim, outcome, attempts, derived));
      if (outcome.kind === 'done' && outcome.extra !== undefined) {
        extras.push({ key: claim.key, extra: outcome.extra });
      }
    }
    const spent = spentOn(items);
    const write = async (db: Queryable): Promise<Set<string>> => {
      const kept = await record(db, stage, finished);
      const stored = extras.filter(({ key }) => kept.has(key)).map(({ extra }) => extra);
      if (stored.length > 0) await stage.persist?.(db, stored);
      // Also for what was lost: it was paid for.
      await addSpend(db, stage.name, spent);
      return kept;
    };
    const once = (): Promise<Set<string>> =>
      extras.length + spent.length > 0 ? transaction(pool, write) : write(pool);
    return await retryTransient(once, {
      signal,
      onRetry: (error, attempt) => {
        const reason = messageOf(error);
        log.warn({ attempt, reason }, 'results could not be recorded, trying again');
      },
    });
  }

  /** Gives claims back and naks. What was lost to another worker is not spoken of. */
  async #release(items: readonly Settlement<Extra>[]): Promise<Settled[]> {
    const { stage, pool, log } = this.#options;
    const releases = items.flatMap(({ held, outcome }) =>
      held.claim === undefined || outcome.kind !== 'retry'
        ? []
        : [{ ...held.claim, countsAsAttempt: outcome.countsAsAttempt }],
    );
    let kept = new Set<string>();
    const spent = spentOn(items);
    const write = async (db: Queryable): Promise<Set<string>> => {
      const held = await release(db, stage, releases);
      await addSpend(db, stage.name, spent);
      return held;
    };
    try {
      if (releases.length > 0) {
        kept = spent.length > 0 ? await transaction(pool, write) : await write(pool);
      }
    } catch (error) {
      // Whose the events are is not known; the claims run out, and the ack wait brings them again.
      log.warn({ reason: messageOf(error) }, 'claims could not be released');
    }
    return items.map(({ held, outcome }) => {
      if (held.claim !== undefined && !kept.has(held.claim.key)) return 'lost';
      held.message.nak(outcome.kind === 'retry' ? outcome.afterMs : 0);
      return 'retried';
    });
  }
}

function spentOn(items: readonly Settlement<unknown>[]): Spent[] {
  return items.flatMap(({ held, outcome }) => {
    const use = outcome.kind === 'skip' ? undefined : outcome.use;
    // What was free needs no transaction of its own.
    if (use === undefined) return [];
    const { input_tokens: input, output_tokens: output } = use.usage;
    const isFree = input + output + use.cost_usd === 0;
    return isFree ? [] : [{ tenant: tenantOf(held.message.subject), use }];
  });
}

/** @returns undefined for an event whose claim was lost */
function recordedOf<Extra>(
  { held, outcome, attempts, event, derived }: Checked<Extra>,
  kept: ReadonlySet<string>,
): Recorded | undefined {
  const { claim } = held;
  if (claim === undefined || !kept.has(claim.key)) return undefined;
  const { key, redrives } = claim;
  const common = { held, key, redrives, event };
  switch (outcome.kind) {
    case 'done':
      return { ...common, state: 'done', events: derived, parked: undefined };
    case 'skip':
      return { ...common, state: 'skipped', events: [], parked: undefined };
    case 'park': {
      const { reason, message } = outcome;
      const parked = { reason, message, attempts };
      return { ...common, state: 'parked', events: [], parked };
    }
    case 'retry':
      break;
  }
  return undefined;
}
