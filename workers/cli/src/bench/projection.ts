import type { LaneId } from '@memfleet/projections';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { fillLog } from './backlog.ts';
import { startBenchWorker } from './bench-worker.ts';
import { lanesToRun } from './lanes.ts';
import { measureOf, medianRun, printMeasure, type Run } from './measure.ts';
import { rawProjection } from './raw-projection.ts';
import { type BenchServers, openBenchServers } from './servers.ts';
import { createThrowAwayFleet, type ThrowAwayFleet } from './throw-away-fleet.ts';
import { watchRun } from './watch-run.ts';

export interface ProjectionBench {
  readonly events: number;
  readonly bytes: number;
  readonly rounds: number;
}

const WARM_UP_SHARE = 4;

interface Round {
  readonly alone: Measured;
  readonly together: Measured;
  readonly raw: Run;
  readonly rawWithoutSearch: Run;
  readonly bytesPerEvent: number;
  readonly settings: Readonly<Record<string, string | number>>;
}

interface Measured {
  readonly run: Run;
  readonly peakMB: number | undefined;
}

/** Runs one projection worker through a backlog, beside a hand-written loop on the same log. */
export async function benchProjection(globals: Globals, options: ProjectionBench): Promise<void> {
  await using servers = await openBenchServers(globals);
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    note(`memfleet: round ${round} of ${options.rounds}, ${options.events} events`);
    rounds.push(await oneRound(globals, servers, options));
  }
  const [first] = rounds;
  if (first === undefined) return;
  const { bytesPerEvent, settings } = first;
  const raw = medianRun(rounds.map((round) => round.raw));
  const unsearched = medianRun(rounds.map((round) => round.rawWithoutSearch));
  const print = async (measure: string, ours: readonly Measured[]): Promise<void> => {
    const run = medianRun(ours.map((each) => each.run));
    const peaks = ours.flatMap(({ peakMB }) => peakMB ?? []);
    const rss = peaks.length === 0 ? {} : { rssMB: Math.max(...peaks) };
    const limitWithoutSearchIndex = Math.round(unsearched.events / unsearched.seconds);
    await printMeasure(
      globals,
      measureOf(
        run,
        { measure, bytesPerEvent, ...rss, settings: { ...settings, limitWithoutSearchIndex } },
        raw,
      ),
    );
  };
  await print(
    'projection-memories',
    rounds.map((round) => round.alone),
  );
  await print(
    'projection-all',
    rounds.map((round) => round.together),
  );
}

/** Runs ours and the raw loop in turn, on one log. */
async function oneRound(
  globals: Globals,
  servers: BenchServers,
  { events, bytes, rounds }: ProjectionBench,
): Promise<Round> {
  const warmUp = Math.floor(events / WARM_UP_SHARE);
  await using fleet = await createThrowAwayFleet(globals, servers);
  const bytesPerEvent = await fillLog(fleet, events, bytes);
  const alone = await oursOf(fleet, events, warmUp, ['memories']);
  const rawWithoutSearch = await rawProjection(fleet, 'without_search', events);
  const raw = await rawProjection(fleet, 'with_search', events);
  await using other = await createThrowAwayFleet(globals, servers);
  await fillLog(other, events, bytes);
  const together = await oursOf(other, events, warmUp, undefined);
  const { batch, lanes } = fleet.config.projections;
  const settings = { batch, lanes, warmUp, rounds, replicas: fleet.config.log.replicas };
  return { alone, together, raw, rawWithoutSearch, bytesPerEvent, settings };
}

async function oursOf(
  fleet: ThrowAwayFleet,
  events: number,
  warmUp: number,
  only: readonly string[] | undefined,
): Promise<Measured> {
  const running = await lanesToRun(fleet, only);
  await using worker = await startBenchWorker('projection', fleet);
  const run = await watchRun(worker, events, warmUp, () => leastPosition(fleet, running));
  return { run, peakMB: await worker.peakMB() };
}

/** The committed position of the slowest lane. */
async function leastPosition({ pool }: ThrowAwayFleet, lanes: readonly LaneId[]): Promise<number> {
  const { rows } = await pool.query<{ position: string }>({
    name: 'bench-position',
    text: `select min(position) as position from memfleet.checkpoints
      where projection = any ($1)`,
    values: [lanes.map(({ projection }) => projection)],
  });
  return Number(rows[0]?.position ?? 0);
}
