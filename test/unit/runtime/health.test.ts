import { healthOf, Progress } from '@memfleet/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

function probe(progress: Progress, backlog: number | undefined): ReturnType<typeof healthOf> {
  return healthOf({
    worker: 'test',
    progress,
    stalledAfterMs: 60_000,
    backlog: () => backlog,
  });
}

function running(): Progress {
  const progress = new Progress();
  progress.started();
  return progress;
}

test('waiting work without progress is a stall, even in a live process', () => {
  const progress = running();
  vi.advanceTimersByTime(59_000);
  expect(probe(progress, 5).healthy).toBe(true);
  vi.advanceTimersByTime(2_000);
  expect(probe(progress, 5)).toMatchObject({ healthy: false, cause: 'no progress for 61 s' });
  progress.advanced('done');
  expect(probe(progress, 5).healthy).toBe(true);
});

test('an idle hour is no stall, not even when the first event arrives', () => {
  const progress = running();
  for (let minute = 0; minute < 60; minute += 1) {
    vi.advanceTimersByTime(60_000);
    progress.waiting(0);
  }
  vi.advanceTimersByTime(2_000);
  expect(probe(progress, 1)).toMatchObject({ healthy: true, state: 'idle' });
});

test('a backlog that cannot be queried counts as one', () => {
  const progress = running();
  vi.advanceTimersByTime(61_000);
  expect(probe(progress, undefined).healthy).toBe(false);
});

test('retries, failures and lost leases are no progress', () => {
  const progress = running();
  vi.advanceTimersByTime(61_000);
  for (const how of ['retried', 'failed', 'lost'] as const) progress.advanced(how);
  expect(probe(progress, 1).healthy).toBe(false);
  expect(progress.counts).toEqual({ retried: 1, failed: 1, lost: 1 });
});

test('a pause is named and is no stall: a restart would not help', () => {
  const progress = running();
  let pause: string | undefined = 'quota: spent';
  progress.watch({ inFlight: () => 0, pause: () => pause });
  vi.advanceTimersByTime(600_000);
  expect(probe(progress, 100)).toMatchObject({
    healthy: true,
    state: 'paused',
    cause: 'quota: spent',
  });
  pause = undefined;
  expect(probe(progress, 100).state).not.toBe('paused');
});

test('a long call within its deadline is no stall', () => {
  const progress = running();
  let isWithinDeadline = true;
  progress.watch({ inFlight: () => 1, isWithinDeadline: () => isWithinDeadline });
  vi.advanceTimersByTime(600_000);
  expect(probe(progress, 100)).toMatchObject({ healthy: true, state: 'working' });
  isWithinDeadline = false;
  expect(probe(progress, 100).healthy).toBe(false);
});

test('a halt is permanent, a problem is shown for a while', () => {
  const progress = running();
  progress.troubled('database', 'connection lost');
  expect(probe(progress, 0)).toMatchObject({
    healthy: true,
    state: 'troubled',
    cause: 'database: connection lost',
  });
  vi.advanceTimersByTime(6_000);
  expect(probe(progress, 0).state).toBe('idle');
  progress.halted('the stream was replaced');
  expect(probe(progress, 0)).toMatchObject({ healthy: false, state: 'halted' });
});
