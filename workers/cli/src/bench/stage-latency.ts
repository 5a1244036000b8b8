import { setTimeout as delay } from 'node:timers/promises';
import type { BuiltInStage } from '@memfleet/fleet';
import type { Globals } from '../globals.ts';
import { note } from '../output.ts';
import { fillLog } from './backlog.ts';
import { startBenchWorker } from './bench-worker.ts';
import { measureOf, printMeasure, type Run } from './measure.ts';
import { DIMENSIONS, type ModelService, startModelService } from './model-service.ts';
import { openBenchServers } from './servers.ts';
import { REPORTING, settledBy } from './stage.ts';
import { createThrowAwayFleet } from './throw-away-fleet.ts';
import { watchRun } from './watch-run.ts';

export interface SlowModelBench {
  readonly bytes: number;
  readonly latency: number;
  readonly concurrency: number;
}

/** How often each slot calls the service; the first and the last call do not count. */
const TURNS = 12;
const LOOK_MS = 50;

/** Measures whether a stage keeps a slow model busy: calls in flight against the set concurrency. */
export async function benchSlowModel(
  globals: Globals,
  stage: BuiltInStage,
  { bytes, latency, concurrency }: SlowModelBench,
): Promise<void> {
  await using servers = await openBenchServers(globals);
  await using service = await startModelService(latency);
  const events = concurrency * TURNS;
  const name = `MEMFLEET_STAGES_${stage.toUpperCase()}`;
  await using fleet = await createThrowAwayFleet(globals, servers, {
    ...REPORTING,
    [`${name}_CONCURRENCY`]: String(concurrency),
    [`${name}_PROVIDER_KIND`]: 'openai-compatible',
    [`${name}_PROVIDER_BASE_URL`]: service.url,
    [`${name}_PROVIDER_MODEL`]: 'bench',
    // One text per call, so that calls in flight equal events in flight.
    ...(stage === 'embedding'
      ? { [`${name}_PROVIDER_DIMENSIONS`]: String(DIMENSIONS), [`${name}_PROVIDER_MAX_BATCH`]: '1' }
      : {}),
  });
  note(`memfleet: ${events} events, a model that takes ${latency} ms`);
  const bytesPerEvent = await fillLog(fleet, events, bytes);
  await using worker = await startBenchWorker(stage, fleet);
  const watched = watchCalls(service, concurrency * 2, events - concurrency);
  const run: Run = await watchRun(worker, events, concurrency, () => settledBy(fleet, stage));
  const { mean, least, most } = await watched;
  const peakMB = await worker.peakMB();
  const limit = { events: concurrency, seconds: latency / 1_000 };
  const settings = {
    latencyMs: latency,
    concurrency,
    callsInFlight: Math.round(mean),
    leastInFlight: least,
    mostInFlight: most,
  };
  const measure = {
    measure: `${stage}-slow-model`,
    bytesPerEvent,
    modelCalls: service.calls,
    ...(peakMB === undefined ? {} : { rssMB: peakMB }),
    settings,
  };
  await printMeasure(
    globals,
    measureOf(run, measure, limit),
    (perSecond) => `the ${perSecond} that the concurrency allows`,
  );
}

/** Samples the calls in flight between two call counts, outside the ramps. */
async function watchCalls(
  service: ModelService,
  from: number,
  to: number,
): Promise<{ mean: number; least: number; most: number }> {
  const seen: number[] = [];
  while (service.calls < to) {
    if (service.calls >= from) seen.push(service.inFlight);
    await delay(LOOK_MS);
  }
  const mean = seen.reduce((sum, each) => sum + each, 0) / Math.max(1, seen.length);
  return { mean, least: Math.min(...seen), most: Math.max(...seen) };
}
