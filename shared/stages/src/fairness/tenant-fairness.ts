import { setTimeout as delay } from 'node:timers/promises';
import { type DeliveryInfo, type Logger, messageOf, type Received, sleep } from '@memfleet/runtime';
import type { Admission } from '../admission/admission.ts';
import type { RequestSize } from '../admission/request-size.ts';
import type { Slots } from '../admission/slots.ts';
import { tenantOf } from '../job.ts';
import type { TenantQueue } from './tenant-queue.ts';

export interface TenantFairnessOptions {
  readonly queue: TenantQueue;
  /** Without it no event of the log goes into the queue; events already there are still given out. */
  readonly areTurnsAllowed: boolean;
  readonly gate: Pick<Admission, 'cause' | 'isSpent' | 'pause' | 'permits' | 'spentTenants'>;
  /** Until when an expired row counts as a dead worker's: see `Heartbeat`. */
  readonly takeOverUntil: () => number | undefined;
  /** Events per batch. */
  readonly batch: number;
  /** When an event waits longer than this for its place in the log, tenants take turns. */
  readonly afterMs: number;
  /** Events that may wait in the queue while the stage reads ahead in the log. */
  readonly lookahead: number;
  readonly log: Logger;
}

/** Reading ahead through the queue is about this fast (events/s): a faster stage gains nothing from it. */
const QUEUE_RATE = 2_000;
const LOOK_EVERY_MS = 1_000;
const SHORT_MS = 50;
/** The delay before the next look at a redriven event whose tenant has spent its budget. */
const REDRIVEN_AGAIN_MS = 30_000;

/**
 * Lets tenants take turns when a stage cannot keep up. Its durable delivers events in the order of the
 * log, so behind a flood of one tenant all others would wait until the model has seen the last of it.
 * Once that wait exceeds `afterMs`, the stage reads ahead in the log as fast as a table takes the events,
 * they wait there by tenant, and each free slot goes to the tenant that holds the fewest.
 *
 * The bound: with F events ahead of it in the log, up to `lookahead`, a tenant's first event begins
 * after `afterMs` (noticing) + LOOK_EVERY_MS (other processes) + F / 2,000 s (reading ahead; measured:
 * 5,000/s on 2 cores that were busy otherwise) + one call (until a slot is free). Its n-th follows
 * when the tenant has had n turns: n × call × waiting tenants / slots later. Only events beyond
 * `lookahead` are bound by the order of the log.
 *
 * A tenant that has spent its budget waits in the same queue, however long that takes. Events in the queue
 * are given out even where tenants take no turns: they were put there when the stage had another provider.
 */
export class TenantFairness {
  readonly #options: TenantFairnessOptions;
  readonly #slots: Slots;
  #waiting = new Map<string, number>();
  readonly #servedAt = new Map<string, number>();
  #turn = 0;
  #isBehind = false;
  #behindSince: { readonly at: number; readonly finished: number } | undefined;
  /** Events that wait behind the last delivery, by durable. */
  readonly #behind = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;

  constructor(options: TenantFairnessOptions, slots: Slots) {
    this.#options = options;
    this.#slots = slots;
  }

  /** True while all events go through the queue. */
  get areTurnsTaken(): boolean {
    return this.#options.areTurnsAllowed && (this.#isBehind || this.#waiting.size > 0);
  }

  /** The approximate number of events that wait for a turn. */
  get size(): number {
    return [...this.#waiting.values()].reduce((sum, events) => sum + events, 0);
  }

  /** Called with each delivery: the number of events waiting behind it shows whether the stage keeps up. */
  delivered(messages: readonly Received[]): void {
    this.#notePending(messages);
    const { areTurnsAllowed, afterMs, gate } = this.#options;
    if (!areTurnsAllowed) return;
    // An outage is no flood: events delivered during it are probes.
    if (this.#pending === 0 || gate.cause !== undefined) {
      this.#behindSince = undefined;
      return;
    }
    const now = performance.now();
    const { finished } = this.#slots;
    this.#behindSince ??= { at: now, finished };
    const forMs = now - this.#behindSince.at;
    if (forMs < afterMs) return;
    const perMs = (finished - this.#behindSince.finished) / forMs;
    this.#behindSince = { at: now, finished };
    if (perMs < QUEUE_RATE / 1_000 && this.#pending > perMs * afterMs) this.#begin();
  }

  /** Called when the durable had nothing to deliver: other processes may have taken the waiting events. */
  nothingCame(durable: string): void {
    this.#behind.delete(durable);
    if (this.#pending === 0) this.#behindSince = undefined;
  }

  /** Waits for a free slot as long as an event may wait; after that, tenants take turns. */
  async patience(signal: AbortSignal): Promise<void> {
    const { areTurnsAllowed, afterMs } = this.#options;
    if (!areTurnsAllowed || this.areTurnsTaken || this.#slots.free > 0) return;
    await this.#slots.untilFree(1, afterMs, signal);
    const isOutage = this.#options.gate.cause !== undefined;
    if (this.#slots.free < 1 && !isOutage && !signal.aborted) this.#begin();
  }

  /** How many events may be read ahead now; waits while none may be. */
  async roomAhead(signal: AbortSignal): Promise<number> {
    const { gate, lookahead, batch } = this.#options;
    // Events that cannot be worked on stay in the log.
    while (!signal.aborted && this.areTurnsTaken) {
      if (gate.cause === undefined && this.size < lookahead) return batch;
      // The pause is over, but only a call can show whether the outage is, and a call needs an event.
      if (gate.pause === undefined && this.#waiting.size === 0) return 1;
      await sleep(SHORT_MS, signal);
    }
    return 0;
  }

  /** Puts events into the queue; an event that cannot be stored there is given back to the broker. */
  async putAside(messages: readonly Received[]): Promise<void> {
    const { queue, log, gate } = this.#options;
    this.#notePending(messages);
    // A redriven event has no place in the log to be read from; such events are few.
    const redriven = messages.filter(({ redrives }) => redrives > 0);
    for (const message of redriven) message.nak(REDRIVEN_AGAIN_MS);
    const ofLog = messages.filter(({ redrives }) => redrives === 0);
    if (ofLog.length === 0) return;
    try {
      await queue.put(ofLog);
    } catch (error) {
      log.warn({ events: ofLog.length, reason: messageOf(error) }, 'events could not be queued');
      for (const message of ofLog) message.nak(LOOK_EVERY_MS);
      // Reading ahead waits as well: the next batch would fare no better.
      await delay(LOOK_EVERY_MS);
      return;
    }
    for (const { subject } of ofLog) {
      const tenant = tenantOf(subject);
      if (gate.isSpent(tenant)) continue;
      this.#waiting.set(tenant, (this.#waiting.get(tenant) ?? 0) + 1);
    }
    this.#wake?.();
  }

  /** The events of the queue, tenant by tenant, as slots become free. */
  async *deliveries(size: RequestSize, signal: AbortSignal): AsyncGenerator<Received[]> {
    const { gate, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look(LOOK_EVERY_MS);
        if (this.#waiting.size === 0) {
          await this.#somethingComes(signal);
          continue;
        }
        const free = await gate.permits(size, signal);
        if (signal.aborted) break;
        const taken = await this.#take(free);
        if (taken.length > 0) yield taken;
        size.end();
        if (taken.length > 0) continue;
        await this.#look(SHORT_MS);
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'the tenant queue could not be read, trying again');
      }
      size.end();
      await sleep(SHORT_MS, signal);
    }
  }

  get #pending(): number {
    return [...this.#behind.values()].reduce((sum, events) => sum + events, 0);
  }

  /** A redriven event comes through a durable of its own, which is no part of the log. */
  #notePending(messages: readonly Received[]): void {
    const info = infoOf(messages.findLast(({ redrives }) => redrives === 0));
    if (info !== undefined) this.#behind.set(info.consumer, info.pending);
  }

  #begin(): void {
    if (this.#isBehind) return;
    this.#isBehind = true;
    this.#options.log.info(
      { pending: this.#pending },
      'events of the log wait too long, tenants take turns',
    );
  }

  async #take(free: number): Promise<Received[]> {
    const { gate, queue, takeOverUntil } = this.#options;
    const active = new Map<string, number>();
    for (const { message } of this.#slots) {
      const tenant = tenantOf(message.subject);
      active.set(tenant, (active.get(tenant) ?? 0) + 1);
    }
    const tenants = [...this.#waiting.keys()].filter((tenant) => !gate.isSpent(tenant));
    // Among tenants with equally few, the one whose last turn was longest ago.
    tenants.sort((a, b) => (this.#servedAt.get(a) ?? 0) - (this.#servedAt.get(b) ?? 0));
    const quotas = shareOut(
      free,
      active,
      new Map(tenants.map((name) => [name, this.#waiting.get(name) ?? 0])),
    );
    if (quotas.size === 0) return [];
    const inHand = [...this.#slots].flatMap(({ message }) => infoOf(message)?.streamSequence ?? []);
    const taken = await queue.take(quotas, { takeOverUntil: takeOverUntil(), inHand });
    this.#turn += 1;
    const counts = new Map<string, number>();
    for (const { subject } of taken) {
      const tenant = tenantOf(subject);
      counts.set(tenant, (counts.get(tenant) ?? 0) + 1);
    }
    for (const [tenant, quota] of quotas) {
      this.#servedAt.set(tenant, this.#turn);
      const left = (this.#waiting.get(tenant) ?? 0) - (counts.get(tenant) ?? 0);
      // Fewer than requested: other processes have taken the rest.
      if (left > 0 && (counts.get(tenant) ?? 0) === quota) this.#waiting.set(tenant, left);
      else this.#waiting.delete(tenant);
    }
    return taken;
  }

  /** Asks the table who waits, unless it did so a moment ago. */
  async #look(everyMs: number): Promise<void> {
    const now = performance.now();
    if (now - this.#lookedAt < everyMs) return;
    this.#lookedAt = now;
    const { queue, gate, lookahead, takeOverUntil } = this.#options;
    this.#waiting = await queue.waiting(gate.spentTenants, lookahead, takeOverUntil());
    for (const tenant of this.#servedAt.keys()) {
      if (!this.#waiting.has(tenant)) this.#servedAt.delete(tenant);
    }
    if (this.#waiting.size === 0 && this.#pending === 0) this.#isBehind = false;
  }

  async #somethingComes(signal: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#wake = resolve;
    await Promise.race([promise, sleep(LOOK_EVERY_MS, signal)]);
    this.#wake = undefined;
  }
}

/** Undefined where it cannot be read: the chain must park that message, which must not end the source. */
function infoOf(message: Received | undefined): DeliveryInfo | undefined {
  try {
    return message?.info;
  } catch {
    return undefined;
  }
}

/**
 * Gives out free slots one by one, each to the tenant that has the fewest at that point; among equals, to
 * the first. @returns the number of slots per tenant
 */
export function shareOut(
  free: number,
  active: ReadonlyMap<string, number>,
  waiting: ReadonlyMap<string, number>,
): Map<string, number> {
  const quotas = new Map<string, number>();
  const left = new Map(waiting);
  for (let slot = 0; slot < free && left.size > 0; slot += 1) {
    let next: string | undefined;
    let fewest = Number.POSITIVE_INFINITY;
    for (const tenant of left.keys()) {
      const has = (active.get(tenant) ?? 0) + (quotas.get(tenant) ?? 0);
      if (has < fewest) [next, fewest] = [tenant, has];
    }
    if (next === undefined) break;
    quotas.set(next, (quotas.get(next) ?? 0) + 1);
    const more = (left.get(next) ?? 0) - 1;
    if (more > 0) left.set(next, more);
    else left.delete(next);
  }
  return quotas;
}
