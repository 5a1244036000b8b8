import type { MemoryEvent } from '@memfleet/events';
import { park } from '@memfleet/stages';
import { expect } from 'vitest';
import { nothingExtracted } from './events.ts';
import { createStageBench, type StageBench } from './stage.ts';
import { deliveries, IDENTITY } from './storing-stage.ts';
import { until } from './until.ts';

/** Events that wait. */
export const FLOOD = 300;

/** It holds few of its events at a time. */
export async function flooded(flags: Readonly<Record<string, string>> = {}): Promise<StageBench> {
  return await createStageBench({
    'stages.extraction.concurrency': '16',
    'stages.extraction.batch': '8',
    'stages.extraction.ackWait': '3s',
    'stages.extraction.lease': '2s',
    'stages.extraction.deadline': '3s',
    ...flags,
  });
}

/** Deliveries that may still arrive from a pull request opened before the gate closed. */
const STILL_COMING_MS = 6_000;

/** Watches a paused stage for a while. @returns how many deliveries and calls there were meanwhile */
export async function watched(
  bench: StageBench,
  stage: { readonly calls: readonly string[] },
  forMs: number,
): Promise<{ readonly deliveries: number; readonly calls: number }> {
  const startedAt = performance.now();
  await until(
    'requests that were open have ended',
    () => performance.now() - startedAt > STILL_COMING_MS,
  );
  const [before, calls] = [await deliveries(bench), stage.calls.length];
  const from = performance.now();
  await until('it is watched', () => performance.now() - from > forMs);
  return { deliveries: (await deliveries(bench)) - before, calls: stage.calls.length - calls };
}

export async function allDone(bench: StageBench, parked = 0): Promise<void> {
  await bench.settled();
  const rows = await bench.work();
  const good = rows.filter(
    ({ attempts, abandoned, published }) => attempts + abandoned === 0 && published,
  );
  expect(good).toHaveLength(FLOOD);
  expect(rows.filter(({ state }) => state === 'parked')).toHaveLength(parked);
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([FLOOD - parked, parked]);
}

/** Every third event is parked. */
export async function parksSome(event: MemoryEvent, { sequence }: { sequence: number }) {
  return sequence % 3 === 0
    ? park('invalid_input', 'cannot be read')
    : ({ kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] } as const);
}
