import { setTimeout as delay } from 'node:timers/promises';
import { type DeliveryInfo, type Logger, messageOf, type Received, sleep } from '@memfleet/runtime';
import type { Admission } from '../admission/admission.ts';
import { type InFlight, tenantOf } from '../admission/in-flight.ts';
import type { InputSlots } from '../admission/input-slots.ts';
import type { TenantQueue } from './tenant-queue.ts';

export interface TurnsOptions {
  readonly queue: TenantQueue;
  /** Without it nothing of the log is put into the queue; what is there is given out all the same. */
  readonly areAllowed: boolean;
  readonly gate: Pick<Admission, 'cause' | 'pause' | 'ready' | 'isSpent' | 'spentTenants'>;
  /** Until when what has run out is a dead worker's: see `Heartbeat`. */
  readonly takeOverUntil: () => number | undefined;
  /** Events in one batch. */
  readonly batch: number;
  /** A wait for one's place in the log that is longer than this is a reason to take turns. */
  readonly afterMs: number;
  /** Events that may wait in the queue while the log is read on. */
  readonly lookahead: number;
  readonly log: Logger;
}

/** Reading the log on through the queue is about this fast (events/s): a stage that is faster gains nothing. */
const QUEUE_RATE = 2_000;
const LOOK_EVERY_MS = 1_000;
const SHORT_MS = 50;
/** A redriven event whose tenant has spent its budget is looked at again so late. */
const REDRIVEN_AGAIN_MS = 30_000;

/**
 * Lets tenants take turns when a stage cannot keep up. Its durable gives events in the order of the
 * log, so behind a flood of one tenant all others would wait until the model has seen the last of it.
 * As soon as that wait is longer than `afterMs`, the log is read on as fast as a table takes it, the
 * events wait there by tenant, and each slot that gets free goes to the tenant that has the fewest.
 *
 * The bound: with F events ahead of it in the log, up to `lookahead`, a tenant's first event is begun
 * after `afterMs` (noticing) + LOOK_EVERY_MS (other processes) + F / 2,000 s (reading on; measured:
 * 5,000/s on 2 cores that were busy otherwise) + one call (until a slot gets free). Its n-th follows
 * when the tenant has had n turns: n × call × waiting tenants / slots later. Only what lies beyond
 * `lookahead` is bound by the order of the log.
 *
 * A tenant that has spent its budget waits in the same place, however long that is. And what is in that
 * place is given out even where no turns are taken: it was put there when the stage had another provider.
 */
export class Turns {
  readonly #options: TurnsOptions;
  readonly #inFlight: InFlight;
  #waiting = new Map<string, number>();
  readonly #servedAt = new Map<string, number>();
  #turn = 0;
  #isBehind = false;
  #behindSince: { readonly at: number; readonly finished: number } | undefined;
  /** Events that wait behind the last delivery, by durable. */
  readonly #behind = new Map<string, number>();
  #lookedAt = Number.NEGATIVE_INFINITY;
  #wake: (() => void) | undefined;

  constructor(options: TurnsOptions, inFlight: InFlight) {
    this.#options = options;
    this.#inFlight = inFlight;
  }

  /** True while all events go through the queue. */
  get areTaken(): boolean {
    return this.#options.areAllowed && (this.#isBehind || this.#waiting.size > 0);
  }

  /** Events that wait for a turn, about. */
  get size(): number {
    return [...this.#waiting.values()].reduce((sum, events) => sum + events, 0);
  }

  /** Told of what the durable delivered: how many wait behind tells whether the stage keeps up. */
  delivered(messages: readonly Received[]): void {
    this.#notePending(messages);
    const { areAllowed, afterMs, gate } = this.#options;
    if (!areAllowed) return;
    // An outage is no flood: what is delivered during it are probes.
    if (this.#pending === 0 || gate.cause !== undefined) {
      this.#behindSince = undefined;
      return;
    }
    const now = performance.now();
    const { finished } = this.#inFlight;
    this.#behindSince ??= { at: now, finished };
    const forMs = now - this.#behindSince.at;
    if (forMs < afterMs) return;
    const perMs = (finished - this.#behindSince.finished) / forMs;
    this.#behindSince = { at: now, finished };
    if (perMs < QUEUE_RATE / 1_000 && this.#pending > perMs * afterMs) this.#begin();
  }

  /** Told when the durable had nothing to deliver: other processes may have taken what waited behind. */
  nothingCame(durable: string): void {
    this.#behind.delete(durable);
    if (this.#pending === 0) this.#behindSince = undefined;
  }

  /** Waits for a free slot as long as an event may wait; then turns are taken. */
  async patience(signal: AbortSignal): Promise<void> {
    const { areAllowed, afterMs } = this.#options;
    if (!areAllowed || this.areTaken || this.#inFlight.free > 0) return;
    await this.#inFlight.untilFree(1, afterMs, signal);
    const isOutage = this.#options.gate.cause !== undefined;
    if (this.#inFlight.free < 1 && !isOutage && !signal.aborted) this.#begin();
  }

  /** How much of the log may be read on now; waits while nothing may be. */
  async roomAhead(signal: AbortSignal): Promise<number> {
    const { gate, lookahead, batch } = this.#options;
    // What cannot be worked on stays in the log.
    while (!signal.aborted && this.areTaken) {
      if (gate.cause === undefined && this.size < lookahead) return batch;
      // The pause is over, and only a call can show whether the outage is: somebody must wait for it.
      if (gate.pause === undefined && this.#waiting.size === 0) return 1;
      await sleep(SHORT_MS, signal);
    }
    return 0;
  }

  /** Puts events into the queue; what cannot be put there is given back to the broker. */
  async putAside(messages: readonly Received[]): Promise<void> {
    const { queue, log, gate } = this.#options;
    this.#notePending(messages);
    // A redriven event has no place in the log to be read from; there are few of them.
    const redriven = messages.filter(({ redrives }) => redrives > 0);
    for (const message of redriven) message.nak(REDRIVEN_AGAIN_MS);
    const ofLog = messages.filter(({ redrives }) => redrives === 0);
    if (ofLog.length === 0) return;
    try {
      await queue.put(ofLog);
    } catch (error) {
      log.warn({ events: ofLog.length, reason: messageOf(error) }, 'events could not be queued');
      for (const message of ofLog) message.nak(LOOK_EVERY_MS);
      // Whoever reads on waits as well: the next batch would fare no better.
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

  /** The events of the queue, tenant by tenant, as slots get free. */
  async *deliveries(slots: InputSlots, signal: AbortSignal): AsyncGenerator<Received[]> {
    const { gate, log } = this.#options;
    while (!signal.aborted) {
      try {
        await this.#look(LOOK_EVERY_MS);
        if (this.#waiting.size === 0) {
          await this.#somethingComes(signal);
          continue;
        }
        const free = await slots.reserve(await gate.ready(signal), signal);
        if (signal.aborted) break;
        const taken = await this.#take(free);
        if (taken.length > 0) yield taken;
        slots.end();
        if (taken.length > 0) continue;
        await this.#look(SHORT_MS);
      } catch (error) {
        log.warn({ reason: messageOf(error) }, 'the tenant queue could not be read, trying again');
      }
      slots.end();
      await sleep(SHORT_MS, signal);
    }
  }

  get #pending(): number {
    return [...this.#behind.values()].reduce((sum, events) => sum + events, 0);
  }

  /** A redriven event comes by a durable of its own, which is no part of the log. */
  #notePending(messages: readonly Received[]): void {
    const info = infoOf(messages.findLast(({ redrives }) => redrives === 0));
    if (info !== undefined) this.#behind.set(info.consumer, info.pending);
  }

  #begin(): void {
    if (this.#isBehind) return;
    this.#isBehind = true;
    this.#options.log.info(
      { pending: this.#pending },
      'the log waits longer than it should, tenants take turns',
    );
  }

  async #take(free: number): Promise<Received[]> {
    const { gate, queue, takeOverUntil } = this.#options;
    const active = new Map<string, number>();
    for (const { message } of this.#inFlight) {
      const tenant = tenantOf(message.subject);
      active.set(tenant, (active.get(tenant) ?? 0) + 1);
    }
    const tenants = [...this.#waiting.keys()].filter((tenant) => !gate.isSpent(tenant));
    // Of those that have equally few, the one whose turn is longest ago.
    tenants.sort((a, b) => (this.#servedAt.get(a) ?? 0) - (this.#servedAt.get(b) ?? 0));
    const quotas = shareOut(
      free,
      active,
      new Map(tenants.map((name) => [name, this.#waiting.get(name) ?? 0])),
    );
    if (quotas.size === 0) return [];
    const inHand = [...this.#inFlight].flatMap(
      ({ message }) => infoOf(message)?.streamSequence ?? [],
    );
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
      // Less than asked for: others have taken the rest.
      if (left > 0 && (counts.get(tenant) ?? 0) === quota) this.#waiting.set(tenant, left);
      else this.#waiting.delete(tenant);
    }
    return taken;
  }

  /** Asks the table who waits, unless that was done a moment ago. */
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

/** Undefined where it cannot be read: that message is for the cycle to park, and must not end the input. */
function infoOf(message: Received | undefined): DeliveryInfo | undefined {
  try {
    return message?.info;
  } catch {
    return undefined;
  }
}

/**
 * Gives out free slots one by one, each to the tenant that has the fewest then; of equals to the one
 * that comes first. @returns how many for whom
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
