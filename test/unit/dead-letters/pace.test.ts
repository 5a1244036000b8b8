import { expect, test } from 'vitest';
import { Pace } from '../../../workers/cli/src/dead-letters/pace.ts';

const never = new AbortController().signal;

test('turns come no faster than the rate', async () => {
  const pace = new Pace(100);
  const startedAt = performance.now();
  for (let turn = 1; turn <= 21; turn += 1) await pace.turn(never);
  // 20 gaps of 10 ms, the last of which may be short by a timer's error.
  expect(performance.now() - startedAt).toBeGreaterThan(195);
});

test('without a rate, or with one too high for timers, nobody waits for ever', async () => {
  const free = new Pace(undefined);
  const fast = new Pace(1_000_000);
  const startedAt = performance.now();
  for (let turn = 1; turn <= 10_000; turn += 1) await free.turn(never);
  for (let turn = 1; turn <= 10_000; turn += 1) await fast.turn(never);
  expect(performance.now() - startedAt).toBeLessThan(5_000);
});

test('a signal ends the wait', async () => {
  const stop = new AbortController();
  const pace = new Pace(0.01);
  await pace.turn(stop.signal);
  const waiting = pace.turn(stop.signal);
  stop.abort();
  await expect(waiting).resolves.toBeUndefined();
});
