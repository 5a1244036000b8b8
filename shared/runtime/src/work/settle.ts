import { type Envelope, EventError, type Publisher } from '@memfleet/events';
import type { NatsConnection } from '@nats-io/transport-node';
import pLimit from 'p-limit';
import type { FleetConfig } from '../config/schema.ts';
import type { Pool, Queryable } from '../database/pool.ts';
import { retryTransient, transaction } from '../database/transaction.ts';
import { parkMessage } from '../dead-letters/dead-letter.ts';
import { messageOf } from '../errors.ts';
import type { Logger } from '../observe/log.ts';
import { Coalescer } from './coalescer.ts';
import { crashPoint } from './crash-points.ts';
import { type Finished, markPublished, record, release } from './dedupe.ts';
import type { Held } from './in-flight.ts';
import { type Outcome, park } from './outcome.ts';
import type { Stage } from './stage.ts';

/** An event whose handler has spoken. */
export interface Settlement<Extra> {
  readonly held: Held;
  readonly outcome: Outcome<Extra>;
  readonly attempts: number;
  readonly event: Pick<Envelope, 'id' | 'correlationid' | 'traceparent'> | undefined;
}

/** What became of it, for the counters. */
export type Settled = 'done' | 'skipped' | 'parked' | 'retried' | 'lost' | 'failed';

/** A server takes 50 atomic batches per stream at a time; this leaves room for other processes. */
const PARALLEL_BATCHES = 8;
const MAX_BATCH_EVENTS = 1_000;

export interface SettlerOptions<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly connection: NatsConnection;
  readonly publisher: Publisher;
  readonly pool: Pool;
  readonly log: Logger;
  readonly batch: number;
  readonly lingerMs: number;
  /** Ends retries of the database at the end of the grace period. */
  readonly signal: AbortSignal;
}

/**
 * Maps outcomes to the broker, many at a time:
 * done → record, publish, ack · skip → record, ack · park → dead letter, record, term ·
 * retry → release, nak with delay.
 * Nothing is acked, naked or terminated for an event whose claim was lost: JetStream does not fence.
 */
export class Settler<Extra> {
  readonly #options: SettlerOptions<Extra>;
  readonly #coalescer: Coalescer<Settlement<Extra>, Settled>;
  readonly #publishLimit = pLimit(PARALLEL_BATCHES);

  constructor(options: SettlerOptions<Extra>) {
    this.#options = options;
    this.#coalescer = new Coalescer({
      flush: (items) => this.#flush(items),
      size: options.batch,
      lingerMs: options.lingerMs,
      parallel: 3,
    });
  }

  settle(settlement: Settlement<Extra>): Promise<Settled> {
    const { outcome } = settlement;
    if (outcome.kind !== 'done') return this.#coalescer.add(settlement);
    // An event the log would refuse must be known before it is recorded, or it could never leave.
    const problem = this.#unpublishable(outcome.events);
    return this.#coalescer.add(
      problem === undefined
        ? settlement
        : { ...settlement, outcome: park('invalid_output', problem) },
    );
  }

  /** Publishes what an earlier delivery recorded, with the ids it was recorded with; then acks. */
  async republish(held: Held, key: string, recorded: string): Promise<Settled> {
    const { stage, pool } = this.#options;
    await this.#publish(JSON.parse(recorded) as Envelope[]);
    await markPublished(pool, stage, [key]);
    await held.message.ackAck();
    return 'done';
  }

  #unpublishable(events: readonly Envelope[]): string | undefined {
    try {
      for (const event of events) this.#options.publisher.check(event);
      return undefined;
    } catch (error) {
      if (error instanceof EventError) return `the result is no valid event: ${error.message}`;
      throw error;
    }
  }

  async #flush(items: readonly Settlement<Extra>[]): Promise<Settled[]> {
    const results = new Map<Settlement<Extra>, Settled>();
    // Each kind by itself: a broker that refuses dead letters must not hold up what is done.
    const groups = [
      this.#finish(
        items.filter(({ outcome }) => outcome.kind === 'done' || outcome.kind === 'skip'),
      ),
      this.#park(items.filter(({ outcome }) => outcome.kind === 'park')),
      this.#retry(items.filter(({ outcome }) => outcome.kind === 'retry')),
    ];
    for (const group of await Promise.all(groups)) {
      for (const [item, settled] of group) results.set(item, settled);
    }
    return items.map((item) => results.get(item) ?? 'failed');
  }

  /** Record → publish → mark → ack. A failure leaves the event to its redelivery. */
  async #finish(items: readonly Settlement<Extra>[]): Promise<Map<Settlement<Extra>, Settled>> {
    const results = new Map<Settlement<Extra>, Settled>();
    if (items.length === 0) return results;
    const { stage, pool } = this.#options;
    try {
      const kept = await this.#recorded(items);
      const ours = items.filter((item) => kept.has(item.held.claim?.key ?? ''));
      for (const item of items) if (!ours.includes(item)) results.set(item, 'lost');
      crashPoint('after-record');
      const events = ours.flatMap(({ outcome }) => (outcome.kind === 'done' ? outcome.events : []));
      await this.#publish(events);
      crashPoint('after-publish');
      const done = ours.filter(({ outcome }) => outcome.kind === 'done');
      if (done.length > 0) await markPublished(pool, stage, done.flatMap(keyOf));
      crashPoint('before-ack');
      await Promise.all(ours.map(({ held }) => held.message.ackAck()));
      for (const item of ours) {
        results.set(item, item.outcome.kind === 'done' ? 'done' : 'skipped');
      }
    } catch (error) {
      this.#leave(items, results, error);
    }
    return results;
  }

  async #park(items: readonly Settlement<Extra>[]): Promise<Map<Settlement<Extra>, Settled>> {
    const results = new Map<Settlement<Extra>, Settled>();
    if (items.length === 0) return results;
    const { stage, config, connection, log } = this.#options;
    try {
      await Promise.all(
        items.map(({ held, outcome, attempts, event }) =>
          outcome.kind !== 'park'
            ? undefined
            : parkMessage(connection, config, held.message, {
                stage: stage.name,
                stageVersion: stage.version,
                reason: outcome.reason,
                message: outcome.message,
                attempts,
                ...(event === undefined
                  ? {}
                  : {
                      eventId: event.id,
                      correlationId: event.correlationid,
                      ...(event.traceparent === undefined
                        ? {}
                        : { traceparent: event.traceparent }),
                    }),
              }),
        ),
      );
      crashPoint('after-park');
      // What could not be read has no claim; its dead letter is all there is to record.
      const claimed = items.filter(({ held }) => held.claim !== undefined);
      const kept = claimed.length === 0 ? new Set<string>() : await this.#recorded(claimed);
      for (const item of items) {
        const { held, outcome, event, attempts } = item;
        if (held.claim !== undefined && !kept.has(held.claim.key)) {
          results.set(item, 'lost');
          continue;
        }
        const reason = outcome.kind === 'park' ? outcome.reason : '';
        held.message.term(reason);
        log.error(
          {
            eventId: event?.id,
            correlationId: event?.correlationid,
            sequence: held.message.info.streamSequence,
            attempts,
            reason,
            cause: outcome.kind === 'park' ? outcome.message : undefined,
          },
          'event parked in the dead letters',
        );
        results.set(item, 'parked');
      }
    } catch (error) {
      this.#leave(items, results, error);
    }
    return results;
  }

  async #retry(items: readonly Settlement<Extra>[]): Promise<Map<Settlement<Extra>, Settled>> {
    const results = new Map<Settlement<Extra>, Settled>();
    if (items.length === 0) return results;
    const { stage, pool, log } = this.#options;
    const releases = items.flatMap(({ held, outcome }) =>
      held.claim === undefined || outcome.kind !== 'retry'
        ? []
        : [{ ...held.claim, refund: !outcome.countsAsAttempt }],
    );
    try {
      if (releases.length > 0) await release(pool, stage, releases);
    } catch (error) {
      // The claims run out by themselves; the next delivery waits for that.
      log.warn({ reason: messageOf(error) }, 'claims could not be released');
    }
    for (const item of items) {
      item.held.message.nak(item.outcome.kind === 'retry' ? item.outcome.afterMs : 0);
      results.set(item, 'retried');
    }
    return results;
  }

  async #recorded(items: readonly Settlement<Extra>[]): Promise<Set<string>> {
    const { stage, pool, signal, log } = this.#options;
    const finished = items.flatMap(finishedOf);
    const extrasOf = (kept: ReadonlySet<string>): Extra[] =>
      items.flatMap(({ held, outcome }) =>
        outcome.kind === 'done' && outcome.extra !== undefined && kept.has(held.claim?.key ?? '')
          ? [outcome.extra]
          : [],
      );
    const hasExtras = items.some(
      ({ outcome }) => outcome.kind === 'done' && outcome.extra !== undefined,
    );
    const write = async (db: Queryable): Promise<Set<string>> => {
      const kept = await record(db, stage, finished);
      const extras = extrasOf(kept);
      if (extras.length > 0) await stage.persist?.(db, extras);
      return kept;
    };
    return await retryTransient(() => (hasExtras ? transaction(pool, write) : write(pool)), {
      signal,
      onRetry: (error, attempt) =>
        log.warn(
          { attempt, reason: messageOf(error) },
          'results could not be recorded, trying again',
        ),
    });
  }

  async #publish(events: readonly Envelope[]): Promise<void> {
    const { publisher } = this.#options;
    const batches: Envelope[][] = [];
    for (let start = 0; start < events.length; start += MAX_BATCH_EVENTS) {
      batches.push(events.slice(start, start + MAX_BATCH_EVENTS));
    }
    await Promise.all(
      batches.map((batch) =>
        this.#publishLimit(() => publisher.appendBatch(batch, { timeIsAssigned: true })),
      ),
    );
  }

  /** What is recorded is published at the next delivery; what is not is worked on again then. */
  #leave(
    items: readonly Settlement<Extra>[],
    results: Map<Settlement<Extra>, Settled>,
    error: unknown,
  ): void {
    const { log } = this.#options;
    log.error(
      { events: items.length, error },
      'events could not be settled, they will be redelivered',
    );
    for (const item of items) {
      if (results.has(item)) continue;
      item.held.message.nak(1_000);
      results.set(item, 'failed');
    }
  }
}

function keyOf<Extra>({ held }: Settlement<Extra>): string[] {
  return held.claim === undefined ? [] : [held.claim.key];
}

function finishedOf<Extra>({ held, outcome }: Settlement<Extra>): Finished[] {
  if (held.claim === undefined || outcome.kind === 'retry') return [];
  const { key, token } = held.claim;
  if (outcome.kind === 'skip') return [{ key, token, state: 'skipped', reason: outcome.reason }];
  if (outcome.kind === 'park') return [{ key, token, state: 'parked', reason: outcome.reason }];
  return [
    {
      key,
      token,
      state: 'done',
      result: JSON.stringify(outcome.events),
      ...(outcome.use === undefined ? {} : { use: outcome.use }),
    },
  ];
}
