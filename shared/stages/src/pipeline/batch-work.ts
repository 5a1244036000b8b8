import type { Decoded } from '@memfleet/events';
import {
  type FleetConfig,
  isServerError,
  isTransientDatabaseError,
  type Logger,
  messageOf,
  type Pool,
  type Progress,
  type StageConfig,
} from '@memfleet/runtime';
import type { Held, InFlight } from '../admission/in-flight.ts';
import type { OutputGate } from '../admission/output-gate.ts';
import type { Claim } from '../claims/dedupe.ts';
import type { TenantQueue } from '../fairness/tenant-queue.ts';
import { type Outcome, park, retry } from '../outcome.ts';
import type { Stage } from '../stage.ts';
import { backoffMs } from './backoff.ts';
import { claimBatch } from './claim-batch.ts';
import { EarlyEvents } from './early-events.ts';
import { contextOf } from './event-context.ts';
import { HandlerFaults } from './handler-faults.ts';
import { perform } from './perform.ts';
import { persistently } from './persistently.ts';
import { type Readable, readBatch, type Reader } from './read-batch.ts';
import type { Settler } from './settle.ts';

export interface BatchWorkOptions<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: StageConfig;
  readonly pool: Pool;
  readonly progress: Progress;
  readonly log: Logger;
  readonly inFlight: InFlight;
  readonly settler: Settler<Extra>;
  /** Where events wait that this version cannot read yet: they block no event behind them there. */
  readonly queue: Pick<TenantQueue, 'put'>;
  readonly output: OutputGate;
  /** Once it aborts, nothing new starts. */
  readonly stop: AbortSignal;
  /** Reads the bytes of events; by default, the registry of this version. */
  readonly reader?: Reader;
}

/** How long to leave an event alone that a live worker holds. */
const LEASED_ELSEWHERE_MS = 5_000;
/**
 * Claims that may expire without a word before the event counts as the cause. It is far above the number
 * of tries, since a worker that dies loses the claim of every event in flight with it.
 */
const MAX_ABANDONED = 10;

/** Processes the events in hand: read → claim → handle → settle. */
export class BatchWork<Extra> {
  readonly #options: BatchWorkOptions<Extra>;
  readonly #inFlight: InFlight;
  readonly #settler: Settler<Extra>;
  readonly #stop: AbortSignal;
  readonly #faults: HandlerFaults;
  readonly #early: EarlyEvents;

  constructor(options: BatchWorkOptions<Extra>) {
    this.#options = options;
    this.#faults = new HandlerFaults(options.output);
    this.#early = new EarlyEvents(options, (held, afterMs) => this.giveBack(held, afterMs));
    this.#inFlight = options.inFlight;
    this.#settler = options.settler;
    this.#stop = options.stop;
  }

  /**
   * Works on one pulled batch. Each event in it ends settled, naked or left to its redelivery. It never
   * throws: nobody awaits it, and an unhandled error ends the process.
   */
  async take(batch: readonly Held[]): Promise<void> {
    try {
      await this.#take(batch);
    } catch (error) {
      const events = batch.length;
      this.#options.log.error({ events, error }, 'a batch failed, it will be redelivered');
      // Events that were already being worked on or settled go on.
      this.giveBack(
        batch.filter(({ settling, claim }) => !settling && claim === undefined),
        1_000,
      );
    }
  }

  async #take(batch: readonly Held[]): Promise<void> {
    const { config, reader } = this.#options;
    const read = readBatch(batch, config.log.root, this.#early.patience, reader);
    const { readable: found, twins, unreadable, early } = read;
    for (const { held, outcome, decoded } of unreadable) {
      void this.#settle(held, outcome, 0, decoded);
    }
    this.giveBack(twins, LEASED_ELSEWHERE_MS);
    void this.#early.putOff(early);
    await this.#begin(this.#notInHand(found));
  }

  async #begin(readable: readonly Readable[]): Promise<void> {
    const { log } = this.#options;
    if (readable.length === 0) return;
    try {
      const claims = await this.#claim(readable);
      for (const [index, item] of readable.entries()) {
        void this.#process(item, claims[index] ?? { kind: 'leased' });
      }
    } catch (error) {
      const isOfOne = !isTransientDatabaseError(error) && !this.#stop.aborted;
      if (isOfOne && readable.length > 1) {
        // The database refuses the claim of one of these events, which must not block its neighbours.
        const middle = Math.ceil(readable.length / 2);
        await this.#begin(readable.slice(0, middle));
        await this.#begin(readable.slice(middle));
        return;
      }
      const reason = messageOf(error);
      log.error(
        { events: readable.length, reason },
        'a batch could not be claimed, it will be redelivered',
      );
      for (const { held } of readable) {
        const afterMs = this.#stop.aborted ? 0 : backoffMs(held.message.info.deliveryCount);
        this.giveBack([held], afterMs);
      }
    }
  }

  /** Asks for a redelivery after a delay. */
  giveBack(batch: readonly Held[], afterMs: number): void {
    for (const held of batch) {
      try {
        held.message.nak(afterMs);
      } catch (error) {
        // The server redelivers it once its ack wait is over.
        this.#options.log.warn({ reason: messageOf(error) }, 'an event could not be given back');
      } finally {
        this.#inFlight.letGo(held);
      }
    }
  }

  /** Leaves events that are already in hand to their holder, and looks at them later. */
  #notInHand(found: readonly Readable[]): readonly Readable[] {
    const isOwn = ({ held, request }: Readable): boolean => this.#inFlight.keep(held, request.key);
    const { own = [], inHand = [] } = Object.groupBy(found, (item) =>
      isOwn(item) ? 'own' : 'inHand',
    );
    this.giveBack(
      inHand.map(({ held }) => held),
      LEASED_ELSEWHERE_MS,
    );
    return own;
  }

  async #claim(items: readonly Readable[]): Promise<Claim[]> {
    const { stage, pool, settings, log, progress, output: gate } = this.#options;
    return await persistently(claimBatch(pool, stage, items, settings.lease), {
      gate,
      signal: this.#stop,
      what: 'events cannot be claimed',
      isItsFault: isServerError,
      onRetry: (error, attempt) => {
        const reason = messageOf(error);
        progress.troubled('database', reason);
        log.warn({ attempt, reason }, 'events could not be claimed, trying again');
      },
    });
  }

  /** Never throws, like `take`. An event that fails here keeps its claim until that expires, which counts. */
  async #process(item: Readable, found: Claim): Promise<void> {
    try {
      await this.#proceed(item, found);
    } catch (error) {
      const { progress, log } = this.#options;
      progress.advanced('failed');
      const { eventId } = item.request;
      log.error({ eventId, error }, 'event could not be worked on, it will be redelivered');
      this.#inFlight.letGo(item.held);
    }
  }

  async #proceed({ held, decoded, request }: Readable, found: Claim): Promise<void> {
    switch (found.kind) {
      case 'claimed': {
        held.claim = { key: request.key, token: found.token, redrives: found.redrives };
        const outcome = await this.#outcome(held, decoded, request, found);
        if (outcome === undefined) this.#inFlight.letGo(held);
        else await this.#settle(held, outcome, found.attempt, decoded);
        return;
      }
      case 'conflict': {
        const reason = `event ${request.eventId} already came with another payload`;
        await this.#settle(held, park('conflicting_payload', reason), 0, decoded);
        return;
      }
      case 'leased':
        this.giveBack([held], LEASED_ELSEWHERE_MS);
        return;
      case 'finished':
        await this.#settleAgain({ held, decoded, request }, found);
    }
  }

  /** @returns undefined when the claim was lost */
  async #outcome(
    held: Held,
    { event }: Readable['decoded'],
    { key, sequence }: Readable['request'],
    { attempt, abandoned }: Extract<Claim, { kind: 'claimed' }>,
  ): Promise<Outcome<Extra> | undefined> {
    const { stage, settings } = this.#options;
    if (this.#stop.aborted) return retry(0, 'shutting down', false);
    if (abandoned >= MAX_ABANDONED) {
      return park('attempts_exhausted', `${abandoned} workers died or hung while they held it`);
    }
    const { abort, message } = held;
    held.begunAt = performance.now();
    const context = contextOf(stage, event, held, { eventKey: key, sequence, attempt });
    const outcome = await perform(stage, event, context, {
      abort,
      maxAttempts: settings.maxAttempts,
      deliveries: message.info.deliveryCount,
      isToBlame: (error) => this.#faults.failed(key, error),
    });
    if (outcome !== undefined && outcome.kind !== 'retry') this.#faults.ended(key, outcome);
    return outcome;
  }

  /** Handles the redelivery of a finished event: publishes what may be missing, and acks. */
  async #settleAgain(
    { held, decoded, request }: Readable,
    { state, unpublished, redrives }: Extract<Claim, { kind: 'finished' }>,
  ): Promise<void> {
    const { progress, log } = this.#options;
    const { key, eventId } = request;
    const event = decoded.envelope;
    this.#inFlight.beginSettling(held);
    try {
      const settled = await this.#settler.settleAgain({
        held,
        key,
        event,
        state,
        unpublished,
        redrives,
      });
      progress.advanced(settled === 'failed' ? settled : 'repeated');
    } catch (error) {
      progress.advanced('failed');
      log.error({ eventId, error }, 'a recorded result could not be read');
    } finally {
      this.#inFlight.letGo(held);
    }
  }

  async #settle(
    held: Held,
    outcome: Outcome<Extra>,
    attempts: number,
    decoded: Decoded,
  ): Promise<void> {
    const { log, progress } = this.#options;
    const event = decoded.kind === 'invalid' ? undefined : decoded.envelope;
    this.#inFlight.beginSettling(held);
    try {
      if (outcome.kind === 'retry') {
        const { cause: reason, afterMs } = outcome;
        log.warn({ eventId: event?.id, attempts, reason, afterMs }, 'event will be tried again');
      }
      progress.advanced(await this.#settler.settle({ held, outcome, attempts, event }));
    } catch (error) {
      progress.advanced('failed');
      const eventId = event?.id;
      log.error({ eventId, error }, 'event could not be settled, it will be redelivered');
    } finally {
      this.#inFlight.letGo(held);
    }
  }
}
