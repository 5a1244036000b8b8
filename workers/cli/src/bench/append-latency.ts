import { setTimeout as delay } from 'node:timers/promises';
import type { Envelope } from '@memfleet/events';
import { startRebuild } from '@memfleet/projections';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { fillLog, sampleMemories } from './backlog.ts';
import { startBenchWorker } from './bench-worker.ts';
import { lanesToRun } from './lanes.ts';
import { latencyOf } from './latency.ts';
import { measureOf, printMeasure } from './measure.ts';
import { leastPosition, memoriesProjection } from './rebuild.ts';
import { openBenchServers } from './servers.ts';
import { createThrowAwayFleet, type ThrowAwayFleet } from './throw-away-fleet.ts';

export interface LatencyBench {
  readonly seconds: number;
  readonly rate: number;
  readonly bytes: number;
  /** Runs no projection but `memories`. */
  readonly alone?: boolean;
  /** Puts this many events into the log first, and rebuilds `memories` from them meanwhile. */
  readonly rebuild?: number;
}

const WARM_UP_SECONDS = 3;
/** Interval between two reads of the checkpoint: the error of a latency. */
const LOOK_MS = 1;

/**
 * Measures from the append until the event is visible in the read model `memories`, at a steady rate.
 * The clock of an event starts before it is sent; the position is committed with the rows.
 */
export async function benchLatency(
  globals: Globals,
  { seconds, rate, bytes, alone = false, rebuild }: LatencyBench,
): Promise<void> {
  await using servers = await openBenchServers(globals);
  await using fleet = await createThrowAwayFleet(globals, servers);
  if (rebuild !== undefined) await fillLog(fleet, rebuild, bytes);
  const lanes = await lanesToRun(fleet, alone ? ['memories'] : undefined);
  await using worker = await startBenchWorker('projection', fleet);
  note(`memfleet: ${rate} events/s for ${WARM_UP_SECONDS} + ${seconds} s`);
  const [first, ...events] = sampleMemories(1 + (WARM_UP_SECONDS + seconds) * rate, bytes);
  const stop = new AbortController();
  const check = (): void => worker.checkAlive();
  // The clock starts when the lanes run, not when their process starts.
  const { sequence: before } = await fleet.publisher.append(first);
  await watchVisible(fleet, before, check, stop.signal);
  const rebuilding = rebuild === undefined ? undefined : await beginRebuild(fleet, rebuild);
  const visible = watchVisible(fleet, before + events.length, check, stop.signal);
  const started = performance.now();
  let appended: Map<number, number>;
  try {
    appended = await appendAtRate(fleet, events, rate);
  } catch (error) {
    stop.abort();
    await visible.catch(() => undefined);
    throw error;
  }
  const sent = (performance.now() - started) / 1_000;
  const seen = await visible;
  const latencies = [...appended]
    .filter(([sequence]) => sequence > before + WARM_UP_SECONDS * rate)
    .map(([sequence, at]) => seenAt(seen, sequence) - at);
  // The rebuild's position: if it is below the number of its events, it ran the whole time.
  const rebuilt =
    rebuilding === undefined
      ? {}
      : { rebuild: rebuilding.events, rebuildPosition: await rebuilding.position() };
  const peakMB = await worker.peakMB();
  const measure = {
    measure: 'append-to-visible',
    bytesPerEvent: Buffer.byteLength(JSON.stringify(events[0])),
    ...latencyOf(latencies),
    ...(peakMB === undefined ? {} : { rssMB: peakMB }),
    settings: {
      rate,
      lanes: lanes.length,
      warmUpSeconds: WARM_UP_SECONDS,
      lookMs: LOOK_MS,
      ...rebuilt,
    },
  };
  await printMeasure(globals, measureOf({ events: events.length, seconds: sent }, measure));
}

async function beginRebuild(
  fleet: ThrowAwayFleet,
  events: number,
): Promise<{ readonly events: number; position(): Promise<number> }> {
  const { generation } = await startRebuild(fleet, memoriesProjection());
  return { events, position: () => leastPosition(fleet, generation) };
}

/** Sends each event when it is due, even if earlier ones are unconfirmed. @returns sequence → send time */
async function appendAtRate(
  { publisher }: ThrowAwayFleet,
  events: readonly Envelope[],
  rate: number,
): Promise<Map<number, number>> {
  const appended = new Map<number, number>();
  const sending: Promise<void>[] = [];
  const started = performance.now();
  const send = async (event: Envelope): Promise<void> => {
    const at = performance.now();
    const { sequence } = await publisher.append(event);
    appended.set(sequence, at);
  };
  while (sending.length < events.length) {
    const due = Math.floor(((performance.now() - started) / 1_000) * rate) + 1;
    for (const event of events.slice(sending.length, due)) sending.push(send(event));
    await delay(1);
  }
  await Promise.all(sending);
  return appended;
}

interface Sight {
  readonly position: number;
  readonly at: number;
}

/** Reads the checkpoint until it has reached the last event. @returns every step it made */
async function watchVisible(
  { pool }: ThrowAwayFleet,
  last: number,
  check: () => void,
  signal: AbortSignal,
): Promise<Sight[]> {
  const seen: Sight[] = [];
  while (!signal.aborted && (seen.at(-1)?.position ?? 0) < last) {
    check();
    const { rows } = await pool.query<{ position: string }>({
      name: 'bench-visible',
      text: `select position from memfleet.checkpoints
        join memfleet.projection_generations using (projection, generation)
        where projection = 'memories' and state = 'live'`,
    });
    const position = Number(rows[0]?.position ?? 0);
    if (position > (seen.at(-1)?.position ?? 0)) seen.push({ position, at: performance.now() });
    await delay(LOOK_MS);
  }
  return seen;
}

/** When the checkpoint was first seen at or past a position. */
function seenAt(seen: readonly Sight[], sequence: number): number {
  let low = 0;
  let high = seen.length - 1;
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((seen[middle]?.position ?? 0) >= sequence) high = middle;
    else low = middle + 1;
  }
  return seen[low]?.at ?? Number.NaN;
}
