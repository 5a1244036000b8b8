import {
  buildIndexes,
  lanesOf,
  leaseOf,
  type Projection,
  PROJECTIONS,
  readGenerations,
  startRebuild,
} from '@memfleet/projections';
import { acquireLease } from '@memfleet/runtime';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { fillLog } from './backlog.ts';
import { startBenchWorker } from './bench-worker.ts';
import { measureOf, medianRun, printMeasure, type Run, timed } from './measure.ts';
import { rawProjection } from './raw-projection.ts';
import { type BenchServers, openBenchServers } from './servers.ts';
import { createThrowAwayFleet, type ThrowAwayFleet } from './throw-away-fleet.ts';
import { watchRun } from './watch-run.ts';

export interface RebuildBench {
  readonly events: number;
  readonly bytes: number;
  readonly rounds: number;
}

const PROJECTION = 'memories';
const WARM_UP_SHARE = 4;
/** Longer than any bench runs. */
const KEPT_AWAY_MS = 24 * 3_600_000;

interface Round {
  readonly bytesPerEvent: number;
  readonly ours: Rebuilt;
  readonly raw: Run;
  readonly rawWithoutSearch: Run;
  readonly settings: Readonly<Record<string, string | number>>;
}

interface Rebuilt {
  /** Rows and indexes together. */
  readonly whole: Run;
  readonly rows: Run;
  readonly indexSeconds: number;
  readonly peakMB: number | undefined;
}

/**
 * Measures a rebuild of `memories` by one worker process, which fills the tables of a new generation and
 * then builds its indexes, beside a hand-written loop that writes the same log into a table that has all
 * indexes from the start.
 */
export async function benchRebuild(globals: Globals, options: RebuildBench): Promise<void> {
  await using servers = await openBenchServers(globals);
  const rounds: Round[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    note(`memfleet: round ${round} of ${options.rounds}, ${options.events} events`);
    rounds.push(await oneRound(globals, servers, options));
  }
  const whole = medianRun(rounds.map(({ ours }) => ours.whole));
  const median = rounds.find(({ ours }) => ours.whole === whole);
  if (median === undefined) throw new Error('the median is none of the rounds');
  const peaks = rounds.flatMap(({ ours }) => ours.peakMB ?? []);
  const { rows, indexSeconds } = median.ours;
  const unsearched = medianRun(rounds.map((round) => round.rawWithoutSearch));
  await printMeasure(
    globals,
    measureOf(
      whole,
      {
        measure: `rebuild-${PROJECTION}`,
        bytesPerEvent: median.bytesPerEvent,
        ...(peaks.length === 0 ? {} : { rssMB: Math.max(...peaks) }),
        settings: {
          ...median.settings,
          rowsPerSecond: Math.round(rows.events / rows.seconds),
          indexSeconds: Math.round(indexSeconds * 1_000) / 1_000,
          limitWithoutSearchIndex: Math.round(unsearched.events / unsearched.seconds),
        },
      },
      medianRun(rounds.map(({ raw }) => raw)),
    ),
  );
}

/** Runs ours and the raw loop in turn, on one log. */
async function oneRound(
  globals: Globals,
  servers: BenchServers,
  { events, bytes, rounds }: RebuildBench,
): Promise<Round> {
  const warmUp = Math.floor(events / WARM_UP_SHARE);
  await using fleet = await createThrowAwayFleet(globals, servers);
  const bytesPerEvent = await fillLog(fleet, events, bytes);
  const ours = await rebuilt(fleet, events, warmUp);
  const rawWithoutSearch = await rawProjection(fleet, 'without_search', events);
  const raw = await rawProjection(fleet, 'with_search', events);
  const { batch, lanes } = fleet.config.projections;
  const settings = { batch, lanes, warmUp, rounds, replicas: fleet.config.log.replicas };
  return { bytesPerEvent, ours, raw, rawWithoutSearch, settings };
}

async function rebuilt(fleet: ThrowAwayFleet, events: number, warmUp: number): Promise<Rebuilt> {
  const { pool } = fleet;
  // The live tables stay empty: the worker ignores lanes that another process holds.
  for (const { projection: name, generation, lanes } of await readGenerations(pool)) {
    for (const lane of lanesOf(name, generation, lanes)) {
      await acquireLease(pool, leaseOf(lane), 'bench', KEPT_AWAY_MS);
    }
  }
  const { generation } = await startRebuild(fleet, memoriesProjection());
  await using worker = await startBenchWorker('projection', fleet);
  const rows = await watchRun(worker, events, warmUp, () => leastPosition(fleet, generation));
  const { signal } = new AbortController();
  const index = await timed(events, () =>
    buildIndexes(pool, PROJECTION, generation, { signal, onIndex }),
  );
  // The indexes cover all rows; the warm-up's share of their time does not count, as for the events.
  const indexSeconds = index.seconds * (rows.events / events);
  return {
    whole: { events: rows.events, seconds: rows.seconds + indexSeconds },
    rows,
    indexSeconds: index.seconds,
    peakMB: await worker.peakMB(),
  };
}

export function memoriesProjection(): Projection {
  const projection = PROJECTIONS.find(({ name }) => name === PROJECTION);
  if (projection === undefined) throw new Error(`there is no projection ${PROJECTION}`);
  return projection;
}

function onIndex(name: string): void {
  note(`memfleet: building the index ${name}`);
}

/** The committed position of the slowest lane. */
export async function leastPosition({ pool }: ThrowAwayFleet, generation: number): Promise<number> {
  const { rows } = await pool.query<{ position: string }>({
    name: 'bench-rebuild-position',
    text: `select min(position) as position from memfleet.checkpoints
      where projection = $1 and generation = $2`,
    values: [PROJECTION, generation],
  });
  return Number(rows[0]?.position ?? 0);
}
