import type { BuiltInStage } from '@memfleet/fleet';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { fillLog } from './backlog.ts';
import { startBenchWorker } from './bench-worker.ts';
import { measureOf, medianRun, printMeasure, type Run } from './measure.ts';
import { rawStage } from './raw-stage.ts';
import { type BenchServers, openBenchServers } from './servers.ts';
import { createThrowAwayFleet, type ThrowAwayFleet } from './throw-away-fleet.ts';
import { watchRun } from './watch-run.ts';

export interface StageBench {
  readonly events: number;
  readonly bytes: number;
  readonly rounds: number;
}

/** One in this many events warms the worker up. */
const WARM_UP_SHARE = 4;

interface Round {
  readonly ours: Run;
  readonly raw: Run;
  readonly bytesPerEvent: number;
  readonly peakMB: number | undefined;
  readonly settings: Readonly<Record<string, string | number>>;
}

/** Runs one process of a stage with an instant model, beside the raw client's fetch → publish → ack. */
export async function benchStage(
  globals: Globals,
  stage: BuiltInStage,
  options: StageBench,
): Promise<void> {
  await using servers = await openBenchServers(globals);
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    note(`memfleet: round ${round} of ${options.rounds}, ${options.events} events`);
    rounds.push(await oneRound(globals, servers, stage, options));
  }
  const [first] = rounds;
  if (first === undefined) return;
  const peaks = rounds.flatMap(({ peakMB }) => peakMB ?? []);
  const measure = measureOf(
    medianRun(rounds.map(({ ours }) => ours)),
    {
      measure: `${stage}-instant`,
      bytesPerEvent: first.bytesPerEvent,
      modelCalls: 0,
      ...(peaks.length === 0 ? {} : { rssMB: Math.max(...peaks) }),
      settings: first.settings,
    },
    medianRun(rounds.map(({ raw }) => raw)),
  );
  await printMeasure(globals, measure);
}

/** Each round has its own fleet: its tables and log hold nothing from an earlier round. */
async function oneRound(
  globals: Globals,
  servers: BenchServers,
  stage: BuiltInStage,
  { events, bytes, rounds }: StageBench,
): Promise<Round> {
  await using fleet = await createThrowAwayFleet(globals, servers, REPORTING);
  const { config } = fleet;
  const bytesPerEvent = await fillLog(fleet, events, bytes);
  const warmUp = Math.floor(events / WARM_UP_SHARE);
  const { ours, peakMB } = await oursOf(fleet, stage, events, warmUp);
  const raw = await rawStage(fleet, stage, events, await derivedBytes(fleet));
  const { concurrency, batch } = config.stages[stage];
  const settings = { concurrency, batch, warmUp, rounds, replicas: config.log.replicas };
  return { ours, raw, bytesPerEvent, peakMB, settings };
}

async function oursOf(
  fleet: ThrowAwayFleet,
  stage: BuiltInStage,
  events: number,
  warmUp: number,
): Promise<{ ours: Run; peakMB: number | undefined }> {
  await using worker = await startBenchWorker(stage, fleet);
  const ours = await watchRun(worker, events, warmUp, () => settledBy(fleet, stage));
  return { ours, peakMB: await worker.peakMB() };
}

/** How often a worker reports its progress. */
export const REPORTING = { MEMFLEET_WORKERS_REPORT: '100ms' } as const;

/**
 * How many events the worker has finished, by its own count. It also counts events that the stage acked
 * early and finished later, which the broker does not distinguish.
 */
export async function settledBy({ pool }: ThrowAwayFleet, stage: BuiltInStage): Promise<number> {
  const { rows } = await pool.query<{ processed: string }>({
    name: 'bench-processed',
    text: 'select processed from memfleet.worker_reports where worker = $1',
    values: [stage],
  });
  return Number(rows[0]?.processed ?? 0);
}

/** A derived event as stored in the log, so that the raw client publishes the same number of bytes. */
async function derivedBytes({ jsm, config }: ThrowAwayFleet): Promise<Uint8Array> {
  const { stream, root } = config.log;
  const found = await jsm.direct.getMessage(stream, {
    last_by_subj: `${root}.*.*.*.derived.*`,
  });
  if (found === null) throw new Error('the stage has derived no event');
  return found.data;
}
