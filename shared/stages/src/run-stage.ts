import type { ProviderGate } from '@memfleet/models';
import type { FleetConfig, Logger, Pool, Progress, StageConfig } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { Admission } from './admission/admission.ts';
import type { OperatorPause } from './admission/operator-pause.ts';
import { OutputGate } from './admission/output-gate.ts';
import { Slots } from './admission/slots.ts';
import type { RedriveInput } from './dead-letters/redrive-input.ts';
import { TenantFairness } from './fairness/tenant-fairness.ts';
import type { TenantQueue } from './fairness/tenant-queue.ts';
import type { Job } from './job.ts';
import { Chain } from './pipeline/chain.ts';
import { giveBack } from './pipeline/give-back.ts';
import { Heartbeat } from './pipeline/heartbeat.ts';
import type { Reader } from './pipeline/read.ts';
import type { Running } from './pipeline/running.ts';
import { Shutdown } from './pipeline/shutdown.ts';
import { logSource } from './sources/log-source.ts';
import { queueSource } from './sources/queue-source.ts';
import { redriveSource } from './sources/redrive-source.ts';
import type { Source, SourceRun } from './sources/source.ts';
import type { Stage } from './stage.ts';

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

/**
 * Works until the signal: takes events from the sources of the stage, as many as `Admission` permits, and
 * hands each batch to the chain, where the life of an event is written down (pipeline/chain.ts). Returns when
 * every held event is settled or given back.
 * @throws an error that ends the stage for good, such as a deleted durable
 */
export async function runStage<Extra>(run: StageRun<Extra>): Promise<void> {
  const { stage, config, settings, progress, log, queue, turns } = run;
  const slots = new Slots(settings.concurrency);
  const output = new OutputGate();
  const graceMs = config.workers.shutdownGrace;
  const shutdown = new Shutdown({ slots, graceMs, log, signal: run.signal });
  const running: Running<Extra> = { ...run, slots, output, shutdown };
  const chain = new Chain(running);
  const admission = new Admission(run.gate, output, run.operator);
  const heartbeat = new Heartbeat({
    stage,
    slots,
    db: run.renewals,
    ackWaitMs: settings.ackWait,
    leaseMs: settings.lease,
    deadlineMs: settings.deadline,
    log,
  });
  const fairness = new TenantFairness(
    {
      queue,
      areTurnsAllowed: turns,
      takeOverUntil: () => heartbeat.takeOverUntil,
      gate: admission,
      log,
      batch: settings.batch,
      afterMs: settings.fairness.after,
      lookahead: settings.fairness.lookahead,
    },
    slots,
  );
  progress.watch({
    inFlight: () => slots.size,
    // A long call does not count as a stall before its deadline is over.
    isWithinDeadline: () => slots.size > 0 && slots.longestMs <= settings.deadline,
    pause: () => admission.cause,
    note: () => admission.note,
  });
  void heartbeat.renew();
  const begin = (jobs: readonly Job[]): void => {
    const pausedMs = admission.redeliverAfterMs;
    if (shutdown.stop.aborted) giveBack(running, jobs, 0);
    else if (pausedMs !== undefined) giveBack(running, jobs, pausedMs);
    else void chain.take(jobs);
  };
  try {
    await Promise.all(
      sourcesOf(run, { ...running, admission, fairness, turns }).map(async (source) => {
        try {
          for await (const jobs of source) begin(jobs);
        } catch (error) {
          // One source that cannot go on ends the process, rather than leaving the others to run alone.
          shutdown.begin();
          throw error;
        }
      }),
    );
  } finally {
    await shutdown.done();
    heartbeat.stop();
  }
}

function sourcesOf(
  { consumers, redrive }: Pick<StageRun<never>, 'consumers' | 'redrive'>,
  running: Omit<SourceRun, 'inputs'>,
): Source[] {
  const run = { ...running, inputs: consumers.length };
  return [
    ...consumers.map((consumer) => logSource(run, consumer)),
    ...(redrive === undefined ? [] : [redriveSource(run, redrive)]),
    queueSource(run),
  ];
}
