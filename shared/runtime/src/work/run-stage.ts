import { randomUUID } from 'node:crypto';
import { type Decoded, eventKey, payloadDigest, Publisher, registry } from '@memfleet/events';
import type { Consumer, JsMsg } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { pull } from '../broker/pull.ts';
import type { FleetConfig, StageConfig } from '../config/schema.ts';
import type { Pool } from '../database/pool.ts';
import { retryTransient } from '../database/transaction.ts';
import { messageOf } from '../errors.ts';
import type { Progress } from '../lifecycle/progress.ts';
import type { Logger } from '../observe/log.ts';
import { crashPoint } from './crash-points.ts';
import { type Claim, claim, type ClaimRequest } from './dedupe.ts';
import type { ProviderGate } from './gate.ts';
import { startHeartbeat } from './heartbeat.ts';
import { type Held, InFlight } from './in-flight.ts';
import { type Outcome, park, retry } from './outcome.ts';
import { perform } from './perform.ts';
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
  readonly gate: ProviderGate;
  readonly progress: Progress;
  readonly log: Logger;
  /** Stops pulling; what is held is then finished within the grace period. */
  readonly signal: AbortSignal;
}

type Known = Extract<Decoded, { kind: 'known' }>;
interface Readable {
  readonly held: Held;
  readonly decoded: Known;
  readonly request: ClaimRequest;
}

/** How long to leave an event alone that a live worker has, or that only a newer version reads. */
const LEASED_ELSEWHERE_MS = 5_000;
const NEWER_VERSION_MS = 30_000;
/** Deliveries (about ten minutes) that a rolling deploy may take before a newer event is parked. */
const NEWER_VERSION_DELIVERIES = 20;

/**
 * Works until the signal: pull → claim → handle → record → publish → ack. Returns when everything
 * held is settled or given back.
 * @throws what ends the stage for good, such as a durable that was deleted
 */
export async function runStage<Extra>(run: StageRun<Extra>): Promise<void> {
  const cycle = new StageCycle(run);
  await cycle.run();
}

class StageCycle<Extra> {
  readonly #run: StageRun<Extra>;
  readonly #inFlight: readonly InFlight[];
  readonly #settler: Settler<Extra>;
  /** Ends with the first input that fails, and with the run's own signal. */
  readonly #stop = new AbortController();
  /** Ends at the end of the grace period: nothing is waited for beyond it. */
  readonly #end = new AbortController();

  constructor(run: StageRun<Extra>) {
    const { settings, consumers, config, connection } = run;
    this.#run = run;
    // Each input has slots of its own: an idle one must not reserve those of a busy one.
    const slots = Math.max(1, Math.floor(settings.concurrency / consumers.length));
    this.#inFlight = consumers.map(() => new InFlight(slots));
    this.#settler = new Settler({
      ...run,
      publisher: new Publisher(connection, {
        log: config.log,
        limits: { maxDataBytes: config.log.maxDataBytes, maxAheadMs: config.log.maxAhead },
      }),
      batch: settings.batch,
      lingerMs: settings.linger,
      signal: this.#end.signal,
    });
  }

  async run(): Promise<void> {
    const { stage, settings, consumers, pool, log, signal, progress } = this.#run;
    const onSignal = (): void => this.#stop.abort();
    signal.addEventListener('abort', onSignal, { once: true });
    if (signal.aborted) onSignal();
    const heartbeat = startHeartbeat({
      stage,
      inFlight: this.#inFlight,
      db: pool,
      ackWaitMs: settings.ackWait,
      leaseMs: settings.lease,
      deadlineMs: settings.deadline,
      log,
    });
    progress.watch(() => this.#inFlight.reduce((sum, { size }) => sum + size, 0));
    try {
      await Promise.all(
        consumers.map((consumer, index) =>
          this.#input(consumer, this.#inFlight[index] as InFlight),
        ),
      );
    } finally {
      this.#stop.abort();
      await this.#drain();
      heartbeat.stop();
      signal.removeEventListener('abort', onSignal);
    }
  }

  async #input(consumer: Consumer, inFlight: InFlight): Promise<void> {
    const { settings, progress, log } = this.#run;
    try {
      const batches = pull(consumer, {
        batch: settings.batch,
        lingerMs: settings.linger,
        room: () => this.#room(inFlight),
        signal: this.#stop.signal,
        onTrouble: (error) => {
          progress.troubled('pull', messageOf(error));
          log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
        },
      });
      for await (const messages of batches) {
        const held = messages.map((message) => inFlight.hold(message));
        void this.#batch(held, inFlight);
      }
    } catch (error) {
      // One input that cannot go on ends the process, not the other input in silence.
      this.#stop.abort();
      throw error;
    }
  }

  /** How much may be pulled now: free slots, unless the provider is being left alone. */
  async #room(inFlight: InFlight): Promise<number> {
    const { gate, settings, progress } = this.#run;
    const { signal } = this.#stop;
    if (gate.pause !== undefined) progress.paused(gate.pause.cause);
    const bound = await gate.ready(signal);
    progress.resumed();
    await inFlight.untilFree(1, undefined, signal);
    // A short wait for more free slots makes full batches of a steady trickle.
    await inFlight.untilFree(settings.batch, settings.linger, signal);
    return Math.min(bound, inFlight.free);
  }

  /** One pulled batch; every event in it is settled, naked or left to its redelivery. */
  async #batch(held: readonly Held[], inFlight: InFlight): Promise<void> {
    if (this.#stop.signal.aborted) {
      this.#giveBack(held, 0, inFlight);
      return;
    }
    const readable = held.flatMap((item) => this.#read(item, inFlight));
    const { claimable, twins } = apartFromTwins(readable);
    this.#giveBack(
      twins.map((twin) => twin.held),
      LEASED_ELSEWHERE_MS,
      inFlight,
    );
    if (claimable.length === 0) return;
    try {
      const claims = await this.#claim(claimable);
      for (const [index, item] of claimable.entries()) {
        void this.#process(item, claims[index] ?? { kind: 'leased' }, inFlight);
      }
    } catch (error) {
      const reason = messageOf(error);
      this.#run.log.error(
        { events: claimable.length, reason },
        'a batch could not be claimed, it will be redelivered',
      );
      this.#giveBack(
        claimable.map((item) => item.held),
        1_000,
        inFlight,
      );
    }
  }

  #giveBack(held: readonly Held[], afterMs: number, inFlight: InFlight): void {
    for (const item of held) {
      item.message.nak(afterMs);
      inFlight.letGo(item);
    }
  }

  /** Bytes → event; what cannot be read is parked, or left to a newer version, at once. */
  #read(held: Held, inFlight: InFlight): Readable[] {
    const { config } = this.#run;
    const { message } = held;
    const decoded = registry.decode(message.data, {
      root: config.log.root,
      subject: message.subject,
    });
    if (decoded.kind !== 'known') {
      void this.#settle(held, unreadable(decoded, message), 0, decoded, inFlight);
      return [];
    }
    const { envelope } = decoded;
    const request = {
      key: eventKey(envelope),
      tenant: envelope.tenantid,
      eventId: envelope.id,
      sequence: message.info.streamSequence,
      digest: payloadDigest(envelope),
    };
    return [{ held, decoded, request }];
  }

  async #claim(items: readonly Readable[]): Promise<Claim[]> {
    const { stage, pool, settings, log, progress } = this.#run;
    crashPoint('before-claim');
    const token = randomUUID();
    const requests = items.map(({ request }) => request);
    return await retryTransient(() => claim(pool, stage, requests, token, settings.lease), {
      signal: this.#stop.signal,
      onRetry: (error, attempt) => {
        progress.troubled('database', messageOf(error));
        log.warn(
          { attempt, reason: messageOf(error) },
          'events could not be claimed, trying again',
        );
      },
    });
  }

  async #process(
    { held, decoded, request }: Readable,
    found: Claim,
    inFlight: InFlight,
  ): Promise<void> {
    const { stage, settings } = this.#run;
    const { message } = held;
    switch (found.kind) {
      case 'claimed': {
        held.claim = { key: request.key, token: found.token };
        const context = {
          eventKey: request.key,
          sequence: request.sequence,
          attempt: found.attempt,
          signal: held.abort.signal,
        };
        const outcome = this.#stop.signal.aborted
          ? retry(0, 'shutting down', false)
          : await perform(stage, decoded.event, context, settings.maxAttempts);
        if (outcome === undefined) inFlight.letGo(held);
        else await this.#settle(held, outcome, found.attempt, decoded, inFlight);
        return;
      }
      case 'conflict': {
        const reason = `event ${request.eventId} came before with another payload`;
        await this.#settle(held, park('conflicting_payload', reason), 0, decoded, inFlight);
        return;
      }
      case 'leased':
        message.nak(LEASED_ELSEWHERE_MS);
        inFlight.letGo(held);
        return;
      case 'finished':
        await this.#again(held, request.key, found, inFlight);
    }
  }

  /** A redelivery of what is finished: publish what may be missing, and ack. */
  async #again(
    held: Held,
    key: string,
    found: Extract<Claim, { kind: 'finished' }>,
    inFlight: InFlight,
  ): Promise<void> {
    const { log, progress } = this.#run;
    try {
      if (found.unpublished !== undefined)
        await this.#settler.republish(held, key, found.unpublished);
      else await held.message.ackAck();
      progress.advanced('repeated');
    } catch (error) {
      log.warn(
        { eventKey: key, reason: messageOf(error) },
        'a recorded result could not be published, trying again',
      );
      held.message.nak(1_000);
    } finally {
      inFlight.letGo(held);
    }
  }

  async #settle(
    held: Held,
    outcome: Outcome<Extra>,
    attempts: number,
    decoded: Decoded,
    inFlight: InFlight,
  ): Promise<void> {
    const { log, progress } = this.#run;
    const event = decoded.kind === 'invalid' ? undefined : decoded.envelope;
    try {
      const settled = await this.#settler.settle({ held, outcome, attempts, event });
      if (outcome.kind === 'retry') {
        log.warn(
          { eventId: event?.id, attempts, reason: outcome.cause, afterMs: outcome.afterMs },
          'event will be tried again',
        );
      }
      progress.advanced(settled);
    } catch (error) {
      log.error(
        { eventId: event?.id, error },
        'event could not be settled, it will be redelivered',
      );
    } finally {
      inFlight.letGo(held);
    }
  }

  /** Lets what is held finish, then gives back what has not. */
  async #drain(): Promise<void> {
    const { config, log } = this.#run;
    const graceMs = config.workers.shutdownGrace;
    const emptied = await Promise.all(this.#inFlight.map((set) => set.drained(graceMs * 0.8)));
    if (emptied.every(Boolean)) return;
    const left = this.#inFlight.flatMap((set) => [...set]);
    log.warn(
      { events: left.length },
      'the grace period is nearly over, unfinished events are given back',
    );
    for (const held of left) held.abort.abort(new Error('shutting down'));
    await Promise.all(this.#inFlight.map((set) => set.drained(graceMs * 0.15)));
    this.#end.abort();
  }
}

/** What is done with bytes that today's registry cannot turn into an event. */
function unreadable(decoded: Exclude<Decoded, Known>, message: JsMsg): Outcome<never> {
  switch (decoded.kind) {
    case 'invalid':
      return park('invalid_event', decoded.reason);
    case 'unknown':
    case 'newer':
      // In a rolling deploy a newer worker takes it; this one leaves it alone for a while.
      return message.info.deliveryCount < NEWER_VERSION_DELIVERIES
        ? retry(NEWER_VERSION_MS, decoded.reason, false)
        : park(decoded.kind === 'newer' ? 'newer_version' : 'unknown_type', decoded.reason);
  }
}

/** The same event twice in one batch: one is claimed, the other looked at later. */
function apartFromTwins(items: readonly Readable[]): { claimable: Readable[]; twins: Readable[] } {
  const seen = new Set<string>();
  const claimable: Readable[] = [];
  const twins: Readable[] = [];
  for (const item of items) {
    (seen.has(item.request.key) ? twins : claimable).push(item);
    seen.add(item.request.key);
  }
  return { claimable, twins };
}
