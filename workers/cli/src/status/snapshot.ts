import { isStage, workersOf } from '@memfleet/fleet';
import {
  type ConflictingCopies,
  type LaneStatus,
  laneStatus,
  PROJECTIONS,
  readConflictingCopies,
} from '@memfleet/projections';
import { countStored, streamInfo } from '@memfleet/runtime';
import {
  pauseCause,
  pausedStages,
  redriveDurable,
  redriveStreamName,
  type StagePause,
  stageSettings,
} from '@memfleet/stages';
import type { Fleet } from '../fleet.ts';
import { combinedLag, type DurableLag, durableLag } from './durables.ts';
import { type LaneLine, laneLine, projectionsOf, type ProjectionStatus } from './projections.ts';
import { refusalOf, silentAfterMs } from './silence.ts';
import { tenantQueueLag } from './tenant-queue.ts';
import { DOWN, type WorkerReport, workerReports } from './worker-reports.ts';

export interface StreamStatus {
  readonly stream: string;
  readonly created: string;
  readonly firstSequence: number;
  readonly lastSequence: number;
  readonly messages: number;
  readonly bytes: number;
}

export interface WorkerStatus {
  readonly worker: string;
  /** Number of reporting processes. */
  readonly processes: number;
  readonly lagEvents: number;
  /** Age of the oldest unfinished event. */
  readonly lagSeconds: number;
  readonly inFlight: number;
  readonly ratePerSecond: number;
  readonly redeliveries: number;
  /** For the projection worker: events parked with their memory. */
  readonly deadLetters: number;
  readonly state: string;
  readonly cause: string | null;
}

/** The state of the fleet at one moment, as `status --json` prints it. */
export interface Snapshot {
  readonly stream: StreamStatus;
  readonly workers: readonly WorkerStatus[];
  readonly projections: readonly ProjectionStatus[];
  /** Events of which the log holds a copy with another payload. */
  readonly conflictingCopies: ConflictingCopies;
}

/** @throws RuntimeError STREAM_MISSING | CONSUMER_MISSING | BROKER_REFUSED */
export async function takeSnapshot(fleet: Fleet): Promise<Snapshot> {
  const { config, jsm, pool } = fleet;
  const now = Date.now();
  const { state, created } = await streamInfo(jsm, config.log.stream);
  const refusal = await refusalOf(pool);
  const [reports, pauses, found, conflictingCopies] = await Promise.all([
    workerReports(pool, silentAfterMs(config), refusal),
    pausedStages(pool),
    laneStatus(pool, PROJECTIONS),
    readConflictingCopies(pool),
  ]);
  const lanes = await Promise.all(found.map((lane) => laneLine(fleet, lane, now, refusal)));
  const workers = await Promise.all(
    workersOf(config).map(async (worker) => {
      const report = heeding(reports.get(worker) ?? DOWN, pauses.get(worker));
      return isStage(worker)
        ? await stageWorker(fleet, worker, report, now)
        : await projectionWorker(fleet, report, { found, lanes, now });
    }),
  );
  return {
    stream: {
      stream: config.log.stream,
      created,
      firstSequence: state.first_seq,
      lastSequence: state.last_seq,
      messages: state.messages,
      bytes: state.bytes,
    },
    workers,
    projections: projectionsOf(lanes),
    conflictingCopies,
  };
}

/** A stage without processes may be paused as well: then starting one would not help. */
function heeding(report: WorkerReport, pause: StagePause | undefined): WorkerReport {
  if (pause === undefined || report.state === 'paused') return report;
  const { cause } = report;
  const said = pauseCause(pause);
  return { ...report, cause: cause === null ? said : `${cause}; ${said}` };
}

async function stageWorker(
  fleet: Fleet,
  worker: string,
  report: WorkerReport,
  now: number,
): Promise<WorkerStatus> {
  const { config, connection, jsm } = fleet;
  const { stream, root } = config.deadLetters;
  const durables = Object.values(stageSettings(config, worker).inputs).map(
    ({ durable }) => [config.log.stream, durable] as const,
  );
  // Redriven events wait in a stream beside the log.
  durables.push([redriveStreamName(config), redriveDurable(worker)]);
  const [queued, lags, letters] = await Promise.all([
    tenantQueueLag(fleet, worker, now),
    Promise.all(durables.map(([from, durable]) => durableLag(jsm, from, durable, now))),
    streamInfo(jsm, stream).then(() =>
      countStored(connection, stream, { from: 1, subject: `${root}.${worker}.>` }),
    ),
  ]);
  return statusOf(worker, report, combinedLag([...lags, queued]), letters.count);
}

/** Each live projection reads the whole log: the lag is the largest of theirs, not the sum. */
async function projectionWorker(
  { config, jsm }: Fleet,
  report: WorkerReport,
  about: {
    readonly found: readonly LaneStatus[];
    readonly lanes: readonly LaneLine[];
    readonly now: number;
  },
): Promise<WorkerStatus> {
  const live = about.found.filter(({ generationState }) => generationState === 'live');
  const lags = await Promise.all(
    live.map(({ durable }) => durableLag(jsm, config.log.stream, durable, about.now)),
  );
  const lines = about.lanes.filter(({ generationState }) => generationState === 'live');
  const perProjection = Map.groupBy(lines, ({ projection }) => projection);
  const behind = [...perProjection.values()].map((lanes) =>
    lanes.reduce((sum, lane) => sum + lane.lagEvents, 0),
  );
  const lag: DurableLag = {
    lagEvents: Math.max(0, ...behind),
    lagSeconds: Math.max(0, ...lines.map(({ lagSeconds }) => lagSeconds)),
    redeliveries: combinedLag(lags).redeliveries,
  };
  const parked = live.reduce((sum, lane) => sum + lane.parkedEvents, 0);
  return statusOf('projection', report, lag, parked);
}

function statusOf(
  worker: string,
  { processes, inFlight, ratePerSecond, state, cause }: WorkerReport,
  { lagEvents, lagSeconds, redeliveries }: DurableLag,
  deadLetters: number,
): WorkerStatus {
  return {
    worker,
    processes,
    lagEvents,
    lagSeconds: tenths(lagSeconds),
    inFlight,
    ratePerSecond: tenths(ratePerSecond),
    redeliveries,
    deadLetters,
    state,
    cause,
  };
}

/** Rounded for people and graphs, not for further computation. */
function tenths(value: number): number {
  return Math.round(value * 10) / 10;
}
