import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Pacer } from '../../../shared/models/src/pacer.ts';

const { signal } = new AbortController();
const CALLS = 60;

/** When each of many simultaneous calls may begin, in ms after the request. */
async function beginnings(pacer: Pacer): Promise<number[]> {
  const begun: number[] = [];
  const asked = performance.now();
  await Promise.all(
    Array.from({ length: CALLS }, async () => {
      await pacer.turn(signal);
      begun.push(performance.now());
    }),
  );
  return begun.map((at) => at - asked);
}

test('nothing waits before a call has shown how long one takes', async () => {
  const pacer = new Pacer();
  let hasTurn = 0;
  for (let n = 0; n < CALLS; n += 1) void pacer.turn(signal).then(() => (hasTurn += 1));
  await Promise.resolve();
  await Promise.resolve();
  expect(hasTurn).toBe(CALLS);
});

test('calls requested together begin one after the other, in the order of requests', async () => {
  const pacer = new Pacer();
  await pacer.run(() => delay(100));
  const begun = await beginnings(pacer);
  // 4 ms apart, at most 100 ms ahead of that. A timer runs from the event loop's last reading of the clock,
  // so it may be early.
  expect(begun.at(-1)).toBeGreaterThan(((CALLS - 1) * 4 - 100) / 2);
  expect(begun).toEqual(begun.toSorted((a, b) => a - b));
});

test('no call is delayed for long compared with its duration', async () => {
  const pacer = new Pacer();
  await pacer.run(() => delay(20));
  const endless = Promise.withResolvers<void>();
  const calls = Array.from({ length: 99 }, () => pacer.run(() => endless.promise));
  // With 100 concurrent calls of 20 ms, one is due every 0.1 ms, finer than timers.
  let hasTurn = 0;
  for (let n = 0; n < 5; n += 1) void pacer.turn(signal).then(() => (hasTurn += 1));
  await Promise.resolve();
  await Promise.resolve();
  expect(hasTurn).toBe(5);
  endless.resolve();
  await Promise.all(calls);
});

test('a call that is no longer needed does not wait', async () => {
  const pacer = new Pacer();
  // With an immediate turn, and with one that is some time away.
  await expect(pacer.turn(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  await pacer.run(() => delay(100));
  const others = new AbortController();
  const waiting = Array.from({ length: 1_000 }, () => pacer.turn(others.signal));
  await expect(pacer.turn(AbortSignal.abort(new Error('gone')))).rejects.toThrow('gone');
  others.abort();
  await Promise.allSettled(waiting);
});

test('a failed call says nothing about how long one takes', async () => {
  const pacer = new Pacer();
  await expect(pacer.run(() => Promise.reject(new Error('429')))).rejects.toThrow('429');
  let hasTurn = false;
  void pacer.turn(signal).then(() => (hasTurn = true));
  void pacer.turn(signal);
  await Promise.resolve();
  await Promise.resolve();
  expect(hasTurn).toBe(true);
});
