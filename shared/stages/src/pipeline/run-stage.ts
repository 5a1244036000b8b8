import type { ProviderGate } from '@memfleet/models';
import {
  type FleetConfig,
  type Logger,
  messageOf,
  type Pool,
  type Progress,
  pull,
  type Received,
  type StageConfig,
} from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Admission } from '../admission/admission.ts';
import { type Held, InFlight, tenantOf } from '../admission/in-flight.ts';
import { InputSlots } from '../admission/input-slots.ts';
import type { OperatorPause } from '../admission/operator-pause.ts';
import { OutputGate } from '../admission/output-gate.ts';
import type { RedriveInput } from '../dead-letters/redrive-input.ts';
import type { TenantQueue } from '../fairness/tenant-queue.ts';
import { Turns } from '../fairness/turns.ts';
import type { Stage } from '../stage.ts';
import { BatchWork } from './batch-work.ts';
import { Heartbeat } from './heartbeat.ts';
import type { Reader } from './read-batch.ts';
import { Settler } from './settle.ts';

export interface StageRun<Extra> {
  readonly stage: Stage<Extra>;
  readonly config: FleetConfig;
  readonly settings: StageConfig;
  readonly connection: NatsConnection;
  readonly pool: Pool;
  /** For renewals of claims, see `renewalSettings`. */
  readonly renewals: Pool;
  /** One per input of the stage. */
  readonly consumers: readonly Consumer[];
  /** Where dead letters come back. */
  readonly redrive?: RedriveInput;
  /** Where events wait by tenant. The stage works on them whatever the provider is now. */
  readonly queue: TenantQueue;
  /** Whether tenants may take turns; otherwise no event of the log goes into the queue. */
  readonly turns: boolean;
  readonly gate: ProviderGate;
  /** The operator's pause; without it nobody can pause the stage. */
  readonly operator?: OperatorPause;
  readonly progress: Progress;
  readonly log: Logger;
  /** Reads the bytes of events; by default, the registry of this version. */
  readonly reader?: Reader;
  /** Stops pulling; held events then finish within the grace period. */
  readonly signal: AbortSignal;
}

/** The shortest delay before an event is redelivered that was given back during a pause of the provider. */
const PAUSED_MS = 1_000;
/** The longest such delay: nothing is pulled in a pause anyway, and it may end early. */
const MOST_PAUSED_MS = 2_000;
/** Shares of the grace period: for finishing, then for work that was told to stop. */
const FINISH_SHARE = 0.8;
const STOP_SHARE = 0.1;

/**
 * Works until the signal: pull → claim → handle → record → publish → ack. Returns when every held event
 * is settled or given back.
 * @throws an error that ends the stage for good, such as a deleted durable
 */
export async function runStage<Extra>(run: StageRun<Extra>): Promise<void> {
  await new StageCycle(run).run();
}

class StageCycle<Extra> {
  readonly #run: StageRun<Extra>;
  readonly #inFlight: InFlight;
  readonly #admission: Admission;
  readonly #work: BatchWork<Extra>;
  readonly #turns: Turns;
  readonly #heartbeat: Heartbeat;
  /** Ends with the first input that fails, and with the run's own signal. */
  readonly #stop = new AbortController();
  /** Ends when unfinished events are given back. */
  readonly #handBack = new AbortController();
  /** Ends at the end of the grace period: nothing is waited for beyond it. */
  readonly #end = new AbortController();

  constructor(run: StageRun<Extra>) {
    this.#run = run;
    this.#inFlight = new InFlight(run.settings.concurrency);
    const output = new OutputGate();
    const stop = this.#stop.signal;
    this.#admission = new Admission(run.gate, output, run.operator);
    this.#work = new BatchWork({
      ...run,
      inFlight: this.#inFlight,
      settler: new Settler({
        ...run,
        output,
        stop,
        handBack: this.#handBack.signal,
        signal: this.#end.signal,
      }),
      output,
      stop,
    });
    const { queue, turns: areAllowed, settings, log } = run;
    const gate = this.#admission;
    const { batch, fairness } = settings;
    const { after: afterMs, lookahead } = fairness;
    const heartbeat = new Heartbeat({
      stage: run.stage,
      inFlight: this.#inFlight,
      db: run.renewals,
      ackWaitMs: settings.ackWait,
      leaseMs: settings.lease,
      deadlineMs: settings.deadline,
      log,
    });
    this.#heartbeat = heartbeat;
    const takeOverUntil = (): number | undefined => heartbeat.takeOverUntil;
    this.#turns = new Turns(
      { queue, areAllowed, takeOverUntil, gate, log, batch, afterMs, lookahead },
      this.#inFlight,
    );
  }

  async run(): Promise<void> {
    const { settings, consumers, redrive, signal, progress } = this.#run;
    const gate = this.#admission;
    const onSignal = (): void => this.#stop.abort();
    const draining = Promise.withResolvers<void>();
    // Counted from the signal, not from the end of the inputs: an input may end later, for example while
    // it waits for a broker that is away.
    this.#stop.signal.addEventListener('abort', () => draining.resolve(this.#drain()));
    signal.addEventListener('abort', onSignal, { once: true });
    if (signal.aborted) onSignal();
    progress.watch({
      inFlight: () => this.#inFlight.size,
      // A long call does not count as a stall before its deadline is over.
      isWithinDeadline: () =>
        this.#inFlight.size > 0 && this.#inFlight.longestMs <= settings.deadline,
      pause: () => gate.cause,
      note: () => gate.note,
    });
    void this.#heartbeat.renew();
    try {
      const inputs = consumers.map((consumer) => this.#input(consumer));
      if (redrive !== undefined) inputs.push(this.#input(redrive.consumer, redrive));
      inputs.push(this.#inTurns());
      await Promise.all(inputs);
    } finally {
      this.#stop.abort();
      await draining.promise;
      this.#heartbeat.stop();
      signal.removeEventListener('abort', onSignal);
    }
  }

  async #input(consumer: Consumer, redrive?: RedriveInput): Promise<void> {
    const { settings, connection, consumers, progress, log } = this.#run;
    const gate = this.#admission;
    const { signal } = this.#stop;
    const turns = redrive === undefined ? this.#turns : undefined;
    const { name: durable } = await consumer.info(true);
    // Requested without slots, in order to be put aside.
    let isAhead = false;
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
          await turns?.patience(signal);
          isAhead = turns?.areTaken ?? false;
          if (turns !== undefined && isAhead) return { count: await turns.roomAhead(signal) };
          const there = (await redrive?.waiting(signal)) ?? Number.POSITIVE_INFINITY;
          const most = Math.min(there, await gate.ready(signal));
          return { count: await slots.reserve(most, signal) };
        },
        signal,
        onEmpty: () => turns?.nothingCame(durable),
        onTrouble: (error) => {
          progress.troubled('pull', messageOf(error));
          log.warn({ reason: messageOf(error) }, 'could not pull, trying again');
        },
      });
      for await (const { messages } of batches) {
        if (turns !== undefined && isAhead && !signal.aborted) await turns.putAside(messages);
        else await this.#take((await redrive?.originals(messages)) ?? messages, slots);
      }
    } catch (error) {
      // One input that cannot go on ends the process, rather than leaving the other to run alone.
      this.#stop.abort();
      throw error;
    } finally {
      slots.end();
    }
  }

  /**
   * Works on the events that wait by tenant: because the stage does not keep up, because a budget was
   * spent, or because either was true when the stage had another provider.
   */
  async #inTurns(): Promise<void> {
    const { settings } = this.#run;
    const { signal } = this.#stop;
    const pace = { batch: settings.batch, lingerMs: 0, inputs: 1 };
    const slots = new InputSlots(this.#inFlight, pace);
    try {
      for await (const messages of this.#turns.deliveries(slots, signal)) {
        this.#begin(messages.map((message) => slots.hold(message)));
      }
    } finally {
      slots.end();
    }
  }

  async #take(messages: readonly Received[], slots: InputSlots): Promise<void> {
    const { turns } = this.#run;
    const gate = this.#admission;
    const isAside = ({ subject }: Received): boolean =>
      turns && gate.isSpent(tenantOf(subject)) && !this.#stop.signal.aborted;
    this.#begin(messages.filter((one) => !isAside(one)).map((message) => slots.hold(message)));
    this.#turns.delivered(messages);
    const aside = messages.filter(isAside);
    if (aside.length > 0) await this.#turns.putAside(aside);
  }

  #begin(held: readonly Held[]): void {
    const { pause } = this.#admission;
    if (this.#stop.signal.aborted) this.#work.giveBack(held, 0);
    // It was requested before the pause began.
    else if (pause !== undefined) {
      const leftMs = Math.min(MOST_PAUSED_MS, pause.untilMs - performance.now());
      this.#work.giveBack(held, Math.max(PAUSED_MS, leftMs));
    } else void this.#work.take(held);
  }

  /** Lets held events finish, then stops them, then leaves the rest to their redelivery. */
  async #drain(): Promise<void> {
    const { config, log } = this.#run;
    const graceMs = config.workers.shutdownGrace;
    if (!(await this.#inFlight.drained(graceMs * FINISH_SHARE))) {
      log.warn(
        { events: this.#inFlight.size },
        'the grace period is nearly over, unfinished events are given back',
      );
      for (const held of this.#inFlight) held.abort.abort(new Error('shutting down'));
      this.#handBack.abort();
      await this.#inFlight.drained(graceMs * STOP_SHARE);
    }
    this.#handBack.abort();
    this.#end.abort();
  }
}
