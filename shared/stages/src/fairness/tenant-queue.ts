import { messageAt } from '@memfleet/events';
import {
  Batcher,
  crashPoint,
  type Logger,
  messageOf,
  type Queryable,
  type Received,
} from '@memfleet/runtime';
import type { JetStreamManager, StoredMsg } from '@nats-io/jetstream';
import { tenantOf } from '../job.ts';
import { QueuedDelivery, type TakenRow } from './queued-delivery.ts';

export interface TenantQueueOptions {
  readonly db: Queryable;
  readonly jsm: JetStreamManager;
  readonly stage: string;
  /** The log. */
  readonly stream: string;
  /** How long a process keeps an event that it took, unless it reports that it goes on. */
  readonly ackWaitMs: number;
  readonly log: Logger;
}

/** A process's answer to an event it took: finished, or available again after a time. */
interface Answer extends TakenRow {
  /** Undefined when it is finished. */
  readonly againMs: number | undefined;
}

/** Limits on what may be taken. */
export interface Taking {
  /** Until when, in ms since 1970 by the database's clock, an expired row counts as a dead worker's. */
  readonly takeOverUntil: number | undefined;
  /** Positions in the log of the events that this process holds. */
  readonly inHand: readonly number[];
}

/** Expired rows count as free, whether or not the database was away. */
export const ALWAYS = Number.POSITIVE_INFINITY;

/**
 * Events of a stage that wait by tenant, in a table beside their durable. The durable is a line in the
 * order of the log, and events given back to it with a delay still count towards its limit of outstanding
 * events; here a waiting tenant blocks nobody. The payloads stay in the log.
 *
 * A row that exists twice, or reappears after its event is finished, meets the dedupe table as a
 * redelivery does. A lost row is an event that the stage never sees: its delivery is acked as soon as
 * the row is committed. So a standby without the last commits must not take over.
 */
export class TenantQueue {
  readonly #options: TenantQueueOptions;
  readonly #answers: Batcher<Answer, undefined>;

  constructor(options: TenantQueueOptions) {
    this.#options = options;
    this.#answers = new Batcher({
      flush: async (answers) => {
        await this.#answer(answers);
        return answers.map(() => undefined);
      },
      size: 256,
      lingerMs: 2,
      // One after the other: a beat must not overtake a later nak.
      parallel: 1,
    });
  }

  /**
   * Stores events of the log as rows, and acks them once the rows are committed.
   * @param afterMs how long no process may take them
   */
  async put(messages: readonly Received[], afterMs = 0): Promise<void> {
    await this.#options.db.query({
      name: 'tenant-queue-put',
      text: `insert into memfleet.tenant_queue (stage, tenant, sequence, taken_until)
        select $1, tenant, sequence,
          case when $4::int = 0 then '-infinity' else now() + $4::int * interval '1 millisecond' end
        from unnest($2::text[], $3::bigint[]) as put (tenant, sequence)
        order by tenant, sequence
        on conflict (stage, tenant, sequence) do nothing`,
      values: [
        this.#options.stage,
        messages.map(({ subject }) => tenantOf(subject)),
        messages.map(({ info }) => info.streamSequence),
        afterMs,
      ],
    });
    crashPoint('after-put');
    // Acks of one connection arrive in order; a lost one costs a redelivery, and no more.
    for (const message of messages) message.ack();
  }

  /**
   * Which tenants have events that could be taken now, and how many, counted up to `most`, except the
   * tenants in `without`. A skip scan finds the tenants, so a long queue is not read through. Expired rows
   * count as `take` would take them: until `takeOverUntil`, or at any time (`ALWAYS`).
   */
  async waiting(
    without: readonly string[],
    most: number,
    takeOverUntil: number | undefined,
  ): Promise<Map<string, number>> {
    const { rows } = await this.#options.db.query<{ tenant: string; events: number }>({
      name: 'tenant-queue-waiting',
      text: `with recursive tenants as (
          (select tenant from memfleet.tenant_queue where stage = $1 order by tenant limit 1)
          union all
          select (select next.tenant from memfleet.tenant_queue as next
            where next.stage = $1 and next.tenant > tenants.tenant order by next.tenant limit 1)
          from tenants where tenants.tenant is not null
        )
        select tenant, counted.events::float8 as events from tenants, lateral (
          select count(*) as events from (
            select from memfleet.tenant_queue as row
            where row.stage = $1 and row.tenant = tenants.tenant and row.taken_until <= now()
              and (row.taken_until = '-infinity' or now() < to_timestamp($4::float8 / 1000))
            limit $3
          ) as rows
        ) as counted
        where tenant is not null and tenant <> all ($2::text[]) and counted.events > 0`,
      values: [this.#options.stage, without, most, takeOverUntil ?? Number.NEGATIVE_INFINITY],
    });
    return new Map(rows.map(({ tenant, events }) => [tenant, events]));
  }

  /**
   * Takes up to each tenant's quota, oldest first. Rows whose event is no longer in the log are dropped. An
   * expired row may still be in the hands of a process that could not report because the database was away,
   * so it is taken only before `takeOverUntil`, and never when this process holds its event (`inHand`). As
   * with a claim, `-infinity` is the time of a row that nobody holds.
   */
  async take(
    quotas: ReadonlyMap<string, number>,
    { takeOverUntil, inHand }: Taking,
  ): Promise<Received[]> {
    const { db, stage, ackWaitMs, log } = this.#options;
    const { rows } = await db.query<{ tenant: string; sequence: string; deliveries: number }>({
      name: 'tenant-queue-take',
      text: `with picked as materialized (
          select picked.tenant, picked.sequence
          from unnest($2::text[], $3::int[]) as quota (tenant, most) cross join lateral (
            select row.tenant, row.sequence from memfleet.tenant_queue as row
            where row.stage = $1 and row.tenant = quota.tenant and row.taken_until <= now()
              and (row.taken_until = '-infinity' or now() < to_timestamp($5::float8 / 1000))
              and row.sequence <> all ($6::bigint[])
            order by row.sequence limit quota.most for update skip locked
          ) as picked
        )
        update memfleet.tenant_queue as row
        set taken_until = now() + $4 * interval '1 millisecond', deliveries = row.deliveries + 1
        from picked
        where row.stage = $1 and row.tenant = picked.tenant and row.sequence = picked.sequence
        returning row.tenant, row.sequence, row.deliveries`,
      values: [
        stage,
        [...quotas.keys()],
        [...quotas.values()],
        ackWaitMs,
        takeOverUntil ?? Number.NEGATIVE_INFINITY,
        inHand,
      ],
    });
    if (rows.length > 0) crashPoint('after-take');
    const taken = rows.map(({ tenant, sequence, deliveries }) => ({
      tenant,
      sequence: Number(sequence),
      deliveries,
    }));
    const found = await Promise.allSettled(taken.map((one) => this.#delivery(one)));
    const failed = found.flatMap((one) =>
      one.status === 'rejected' ? [one.reason as unknown] : [],
    );
    if (failed.length > 0 && failed.length === found.length) throw failed[0];
    for (const error of failed) {
      log.warn({ reason: messageOf(error) }, 'an event in the tenant queue could not be read');
    }
    return found.flatMap((one) =>
      one.status === 'fulfilled' && one.value !== undefined ? [one.value] : [],
    );
  }

  async #delivery(taken: TakenRow): Promise<QueuedDelivery | undefined> {
    const { jsm, stream, stage, ackWaitMs } = this.#options;
    let message: StoredMsg | null;
    try {
      message = await messageAt(jsm, stream, { seq: taken.sequence });
    } catch (error) {
      // Given back, for a process that can reach the log.
      await this.#answers.add({ ...taken, againMs: 1_000 });
      throw error;
    }
    if (message === null) {
      await this.#answers.add({ ...taken, againMs: undefined });
      return undefined;
    }
    return new QueuedDelivery(message, taken, {
      consumer: `tenant queue of ${stage}`,
      ackWaitMs,
      answer: async (againMs) => {
        await this.#answers.add({ ...taken, againMs });
      },
    });
  }

  /** An answer that comes after another process took the event counts only if it ends the event. */
  async #answer(answers: readonly Answer[]): Promise<void> {
    const { db, stage } = this.#options;
    const over = answers.filter(({ againMs }) => againMs === undefined);
    // An update that finds two answers for one row would take either, so it gets only the last.
    const again = lastOfEach(answers).filter(({ againMs }) => againMs !== undefined);
    if (over.length > 0) {
      await db.query({
        name: 'tenant-queue-end',
        text: `delete from memfleet.tenant_queue as row
          using unnest($2::text[], $3::bigint[]) as over (tenant, sequence)
          where row.stage = $1 and row.tenant = over.tenant and row.sequence = over.sequence`,
        values: [stage, over.map(({ tenant }) => tenant), over.map(({ sequence }) => sequence)],
      });
    }
    if (again.length === 0) return;
    await db.query({
      name: 'tenant-queue-again',
      text: `update memfleet.tenant_queue as row
        set taken_until = case when again.after_ms = 0 then '-infinity'
          else now() + again.after_ms * interval '1 millisecond' end
        from unnest($2::text[], $3::bigint[], $4::int[], $5::float8[])
          as again (tenant, sequence, deliveries, after_ms)
        where row.stage = $1 and row.tenant = again.tenant and row.sequence = again.sequence
          and row.deliveries = again.deliveries`,
      values: [
        stage,
        again.map(({ tenant }) => tenant),
        again.map(({ sequence }) => sequence),
        again.map(({ deliveries }) => deliveries),
        again.map(({ againMs }) => againMs),
      ],
    });
  }
}

/** The last answer to each taking of each row, in the order of the first. */
function lastOfEach(answers: readonly Answer[]): Answer[] {
  const last = new Map<string, Answer>();
  for (const answer of answers) {
    last.set(`${answer.sequence} ${answer.deliveries} ${answer.tenant}`, answer);
  }
  return [...last.values()];
}
