import { expect, test } from 'vitest';
import { Speed } from '../../../workers/cli/src/projection/speed.ts';

test('shows the speed and when the work will be done', () => {
  let now = 0;
  const speed = new Speed(() => now);
  speed.sample(0, 10_000);
  expect(speed.etaSeconds).toBeUndefined();
  for (let second = 1; second <= 10; second += 1) {
    now = second * 1_000;
    speed.sample(second * 500, 10_000 - second * 500);
  }
  expect(speed.perSecond).toBeCloseTo(500);
  expect(speed.etaSeconds).toBeCloseTo(10);
  expect(speed.done).toBe(5_000);
});

test('work that grows as fast as it is done never ends, and finished work has no time left', () => {
  let now = 0;
  const speed = new Speed(() => now);
  speed.sample(0, 1_000);
  now = 1_000;
  speed.sample(300, 1_100);
  expect(speed.perSecond).toBe(300);
  expect(speed.etaSeconds).toBeUndefined();
  speed.sample(1_400, 0);
  expect(speed.etaSeconds).toBe(0);
});

test('a slower phase shows within seconds, but not at once', () => {
  let now = 0;
  const speed = new Speed(() => now);
  speed.sample(0, 1_000_000);
  now = 1_000;
  speed.sample(1_000, 999_000);
  now = 2_000;
  speed.sample(1_000, 999_000);
  expect(speed.perSecond).toBeGreaterThan(500);
  expect(speed.perSecond).toBeLessThan(900);
});
