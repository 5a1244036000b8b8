import type { Decoded } from '@memfleet/events';
import type { Consumer } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import type { Delivery } from '../broker/delivery.ts';
import { pull } from '../broker/pull.ts';
import type { FleetConfig, StageConfig } from '../config/schema.ts';
import type { Pool } from '../database/pool.ts';
import type { RedriveInput } from '../dead-letters/redrive-input.ts';
import { messageOf } from '../errors.ts';
import type { Progress } from '../lifecycle/progress.ts';
import type { Logger } from '../observe/log.ts';
import { claimBatch } from './claim-batch.ts';
import type { Claim } from './dedupe.ts';
import type { ProviderGate } from './gate.ts';
import { Heartbeat } from './heartbeat.ts';
import { type Held, InFlight } from './in-flight.ts';
import { InputSlots } from './input-slots.ts';
import { type Outcome, park, retry } from './outcome.ts';
import { perform } from './perform.ts';
import { type Readable, readBatch } from './read-batch.ts';
import { Settler } from './settle.ts';
import type { Stage } from './stage.ts';

export interface StageRun<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: StageConfig;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  /** One per input of the stage. */
  readonly consumers: readonly Consumer[];
  /** Where dead letters come again. */
  readonly redrive?: RedriveInput;
  readonly gate: ProviderGate;
  readonly progress: Progress;
  readonly log: Logger;
  /** Stops pulling; what is held is then finished within the grace period. */
  readonly signal: AbortSignal;
}

/** How long to leave an event alone that a live worker has. */
const LEASED_ELSEWHERE_MS = 5_000;
/** What is given back while the provider is left alone comes again no sooner than this. */
const PAUSED_MS = 1_000;
/**
 * Claims that may run out without a word before the event is taken for the cause. Far above the
 * tries, since every event that was in flight when a worker died has lost a claim with it.
 */
const MAX_ABANDONED = 10;
/** Shares of the grace period: for finishing, then for what was told to stop. */
const FINISH_SHARE = 0.8;
const STOP_SHARE = 0.1;

/**
 * Works until the signal: pull → claim → handle → record → publish → ack. Returns when everything
 * held is settled or given back.
 * @throws what ends the stage for good, such as a durable that was deleted
 */
export async function runStage<Extra>(run: StageRun<Extra>): Promise<void> {
  await new StageCycle(run).run();
}

class StageCycle<Extra> {
  readonly #run: StageRun<Extra>;
  readonly #inFlight: InFlight;
  readonly #settler: Settler<Extra>;
  /** Ends with the first input that fails, and with the run's own signal. */
  readonly #stop = new AbortController();
  /** Ends at the end of the grace period: nothing is waited for beyond it. */
  readonly #end = new AbortController();

  constructor(run: StageRun<Extra>) {
    this.#run = run;
    this.#inFlight = new InFlight(run.settings.concurrency);
    this.#settler = new Settler({ ...run, signal: this.#end.signal });
  }

  async run(): Promise<void> {
    const { stage, settings, consumers, redrive, pool, log, signal, progress, gate } = this.#run;
    const onSignal = (): void => this.#stop.abort();
    signal.addEventListener('abort', onSignal, { once: true });
    if (signal.aborted) onSignal();
    const heartbeat = new Heartbeat({
      stage,
      inFlight: this.#inFlight,
      db: pool,
      ackWaitMs: settings.ackWait,
      leaseMs: settings.lease,
      deadlineMs: settings.deadline,
      log,
    });
    progress.watch({
      inFlight: () => this.#inFlight.size,
      // A long call is no stall before its deadline is over.
      isWithinDeadline: () =>
        this.#inFlight.size > 0 && this.#inFlight.oldestMs <= settings.deadline,
      pause: () => gate.cause,
    });
    try {
      const inputs = consumers.map((consumer) => this.#input(consumer));
      if (redrive !== undefined) inputs.push(this.#input(redrive.consumer, redrive));
      await Promise.all(inputs);
    } finally {
      this.#stop.abort();
      await this.#drain();
      heartbeat.stop();
      signal.removeEventListener('abort', onSignal);
    }
  }

  async #input(consumer: Consumer, redrive?: RedriveInput): Promise<void> {
    const { settings, connection, consumers, progress, log, gate } = this.#run;
    const { signal } = this.#stop;
    const slots = new InputSlots(this.#inFlight, {
      batch: settings.batch,
      lingerMs: settings.linger,
      inputs: redrive === undefined ? consumers.length : consumers.length + 1,
    });
    try {
      const batches = pull(consumer, {
        connection,
        batch: settings.batch,
        lingerMs: settings.linger,
        room: async () => {
          slots.end();
          const there = (await redrive?.waiting(signal)) ?? Number.POSITIVE_INFINITY;
          return await slots.reserve(Math.min(there, await gate.ready(signal)), signal);
        },
        signal,
        onTrouble: (error) => {
          progress.troubled('pull', messageOf(error));
          log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
        },
      });
      for await (const messages of batches) {
        this.#take((await redrive?.originals(messages)) ?? messages, slots);
      }
    } catch (error) {
      // One input that cannot go on ends the process, not the other input in silence.
      this.#stop.abort();
      throw error;
    } finally {
      slots.end();
    }
  }

  #take(messages: readonly Delivery[], slots: InputSlots): void {
    const { gate } = this.#run;
    const held = messages.map((message) => slots.hold(message));
    const { pause } = gate;
    if (this.#stop.signal.aborted) this.#giveBack(held, 0);
    // Asked for before the pause began.
    else if (pause !== undefined) {
      this.#giveBack(held, Math.max(PAUSED_MS, pause.untilMs - performance.now()));
    } else void this.#batch(held);
  }

  /** One pulled batch; every event in it is settled, naked or left to its redelivery. */
  async #batch(batch: readonly Held[]): Promise<void> {
    const { config, log } = this.#run;
    const { readable, twins, unreadable } = readBatch(batch, config.log.root);
    for (const { held, outcome, decoded } of unreadable) {
      void this.#settle(held, outcome, 0, decoded);
    }
    this.#giveBack(twins, LEASED_ELSEWHERE_MS);
    if (readable.length === 0) return;
    try {
      const claims = await this.#claim(readable);
      for (const [index, item] of readable.entries()) {
        void this.#process(item, claims[index] ?? { kind: 'leased' });
      }
    } catch (error) {
      const reason = messageOf(error);
      log.error(
        { events: readable.length, reason },
        'a batch could not be claimed, it will be redelivered',
      );
      const held = readable.map((item) => item.held);
      this.#giveBack(held, 1_000);
    }
  }

  #giveBack(batch: readonly Held[], afterMs: number): void {
    for (const held of batch) {
      held.message.nak(afterMs);
      this.#inFlight.letGo(held);
    }
  }

  async #claim(items: readonly Readable[]): Promise<Claim[]> {
    const { stage, pool, settings, log, progress } = this.#run;
    return await claimBatch(pool, stage, items, {
      leaseMs: settings.lease,
      signal: this.#stop.signal,
      onRetry: (error, attempt) => {
        const reason = messageOf(error);
        progress.troubled('database', reason);
        log.warn({ attempt, reason }, 'events could not be claimed, trying again');
      },
    });
  }

  async #process({ held, decoded, request }: Readable, found: Claim): Promise<void> {
    switch (found.kind) {
      case 'claimed': {
        held.claim = { key: request.key, token: found.token };
        const outcome = await this.#outcome(held, decoded, request, found);
        if (outcome === undefined) this.#inFlight.letGo(held);
        else await this.#settle(held, outcome, found.attempt, decoded);
        return;
      }
      case 'conflict': {
        const reason = `event ${request.eventId} came before with another payload`;
        await this.#settle(held, park('conflicting_payload', reason), 0, decoded);
        return;
      }
      case 'leased':
        this.#giveBack([held], LEASED_ELSEWHERE_MS);
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
    const { stage, settings } = this.#run;
    if (this.#stop.signal.aborted) return retry(0, 'shutting down', false);
    if (abandoned >= MAX_ABANDONED) {
      return park('attempts_exhausted', `${abandoned} workers died or hung while they held it`);
    }
    const context = { eventKey: key, sequence, attempt, signal: held.abort.signal };
    return await perform(stage, event, context, settings.maxAttempts);
  }

  /** A redelivery of what is finished: publish what may be missing, and ack. */
  async #settleAgain(
    { held, decoded, request }: Readable,
    { state, unpublished }: Extract<Claim, { kind: 'finished' }>,
  ): Promise<void> {
    const { progress, log } = this.#run;
    const { key, eventId } = request;
    const event = decoded.envelope;
    held.settling = true;
    try {
      const settled = await this.#settler.settleAgain({ held, key, state, unpublished, event });
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
    const { log, progress } = this.#run;
    const event = decoded.kind === 'invalid' ? undefined : decoded.envelope;
    held.settling = true;
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

  /** Lets what is held finish, then stops it, then leaves the rest to its redelivery. */
  async #drain(): Promise<void> {
    const { config, log } = this.#run;
    const graceMs = config.workers.shutdownGrace;
    if (!(await this.#inFlight.drained(graceMs * FINISH_SHARE))) {
      log.warn(
        { events: this.#inFlight.size },
        'the grace period is nearly over, unfinished events are given back',
      );
      for (const held of this.#inFlight) held.abort.abort(new Error('shutting down'));
      await this.#inFlight.drained(graceMs * STOP_SHARE);
    }
    this.#end.abort();
  }
}
