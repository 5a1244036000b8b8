import { every, raceAbort, sleep } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { until } from '../../support/until.ts';

const HOUR_MS = 3_600_000;

test('a sleep ends with its signal, and that is no error', async () => {
  const controller = new AbortController();
  const sleeping = sleep(HOUR_MS, controller.signal);
  controller.abort(new Error('enough'));
  expect(await sleeping).toBeUndefined();
  expect(await sleep(HOUR_MS, controller.signal)).toBeUndefined();
});

test('a race is won by the work, or by the signal if it aborts first, with its reason', async () => {
  const { signal } = new AbortController();
  expect(await raceAbort(Promise.resolve(7), signal)).toBe(7);
  await expect(raceAbort(Promise.reject(new Error('failed')), signal)).rejects.toThrow('failed');

  const controller = new AbortController();
  const { promise: work, reject } = Promise.withResolvers<never>();
  const race = raceAbort(work, controller.signal);
  controller.abort(new Error('given up'));
  await expect(race).rejects.toThrow('given up');
  await expect(raceAbort(work, controller.signal)).rejects.toThrow('given up');
  // Nobody waits for it any more; vitest fails a run with an unhandled rejection.
  reject(new Error('too late'));
});

test('a step is repeated, never concurrently, and stopping waits for its end', async () => {
  let [running, most, begun] = [0, 0, 0];
  let goOn = Promise.withResolvers<void>();
  const repeated = every(1, async () => {
    begun += 1;
    running += 1;
    most = Math.max(most, running);
    await goOn.promise;
    running -= 1;
  });
  await until('the first has begun', () => begun === 1);
  // Many ticks go by.
  await sleep(20, new AbortController().signal);
  expect(begun).toBe(1);
  const { resolve } = goOn;
  goOn = Promise.withResolvers();
  resolve();
  await until('the second has begun', () => begun === 2);
  let isStopped = false;
  const stopped = repeated.stop().then(() => {
    isStopped = true;
  });
  await Promise.resolve();
  expect(isStopped).toBe(false);
  goOn.resolve();
  await stopped;
  expect([running, most, begun]).toEqual([0, 1, 2]);
});
