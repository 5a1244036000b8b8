import { setTimeout as delay } from 'node:timers/promises';
import { openProvisionedFleet } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import type { LaneLine } from '../status/projections.ts';
import { type Column, table } from '../table.ts';
import { durationInWords, grouped, rateInWords } from '../words.ts';
import { readLanes } from './lanes.ts';
import { projectionNamed } from './named.ts';

const COLUMNS: readonly Column[] = [
  { title: 'PROJECTION', align: 'left' },
  { title: 'GENERATION', align: 'left' },
  { title: 'LANE', align: 'right' },
  { title: 'STATE', align: 'left' },
  { title: 'POSITION', align: 'right' },
  { title: 'LAG', align: 'right' },
  { title: 'RATE', align: 'right' },
  { title: 'ETA', align: 'right' },
  { title: 'PARKED', align: 'right' },
  { title: 'OWNER', align: 'left' },
  { title: 'CAUSE', align: 'left' },
];

/** Time between the two samples that give the speed. */
const SAMPLE_MS = 1_000;

/** A lane, and how fast it is. */
interface Moving {
  readonly lane: LaneLine;
  /** Positions of the log passed per second, including those without an event for the lane. */
  readonly ratePerSecond: number;
  /** Null when the lag does not shrink. */
  readonly etaSeconds: number | null;
}

export async function status(globals: Globals, projection: string | undefined): Promise<void> {
  if (projection !== undefined) projectionNamed(projection);
  await using fleet = await openProvisionedFleet(globals, 'projection');
  const before = await readLanes(fleet, { projection });
  const from = performance.now();
  await delay(SAMPLE_MS);
  const after = await readLanes(fleet, { projection });
  const seconds = (performance.now() - from) / 1_000;
  const lanes = after.map((lane) => moving(lane, before, seconds));
  if (!globals.json) {
    await printLine(table(COLUMNS, lanes.map(rowOf)));
    return;
  }
  for (const each of lanes) await printJson(recordOf(each));
}

function moving(lane: LaneLine, before: readonly LaneLine[], seconds: number): Moving {
  const was = before.find(({ durable }) => durable === lane.durable) ?? lane;
  const shrunk = (was.lagEvents - lane.lagEvents) / seconds;
  return {
    lane,
    ratePerSecond: Math.max(0, Math.round((lane.position - was.position) / seconds)),
    etaSeconds: lane.lagEvents === 0 ? 0 : shrunk > 0 ? Math.ceil(lane.lagEvents / shrunk) : null,
  };
}

function rowOf({ lane, ratePerSecond, etaSeconds }: Moving): string[] {
  const kind = lane.isFilling ? `${lane.generationState}, being filled` : lane.generationState;
  return [
    lane.projection,
    `#${lane.generation} ${kind}`,
    String(lane.lane),
    lane.state,
    grouped(lane.position),
    grouped(lane.lagEvents),
    rateInWords(ratePerSecond),
    etaSeconds === null ? '-' : durationInWords(etaSeconds),
    grouped(lane.parkedEvents),
    lane.owner ?? '-',
    lane.cause ?? '',
  ];
}

function recordOf({ lane, ratePerSecond, etaSeconds }: Moving): object {
  const { projection, generation, generationState, version, isFilling, epoch, position } = lane;
  const { lagEvents, lagSeconds, state, parkedKeys, parkedEvents } = lane;
  return {
    projection,
    generation,
    generationState,
    version,
    isFilling,
    lane: lane.lane,
    owner: lane.owner ?? null,
    epoch,
    position,
    lagEvents,
    lagSeconds,
    ratePerSecond,
    etaSeconds,
    state,
    cause: lane.cause ?? null,
    parkedKeys,
    parkedEvents,
  };
}
