import { SharedWaits, Waits } from '@memfleet/runtime';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

test('waits that overlap count once, and end once', () => {
  const waits = new Waits();
  pass(100);
  const [first, second] = [waits.begin(), waits.begin()];
  pass(100);
  first();
  first();
  pass(50);
  expect(waits.totalMs).toBe(150);
  second();
  pass(1_000);
  expect(waits.totalMs).toBe(150);
  const third = waits.begin();
  pass(10);
  third();
  expect(waits.totalMs).toBe(160);
});

test('time in which the process did not run counts once, whatever wait was open', () => {
  const [none, open, ended, before] = [new Waits(), new Waits(), new Waits(), new Waits()];
  const end = before.begin();
  pass(100);
  end();
  open.begin();
  const endLate = ended.begin();
  pass(100);
  const from = performance.now();
  pass(1_000);
  const until = performance.now();
  endLate();
  pass(10);
  for (const waits of [none, open, ended, before]) waits.wasStopped(from, until);
  expect([none.totalMs, before.totalMs]).toEqual([1_000, 1_100]);
  expect([ended.totalMs, open.totalMs]).toEqual([1_100, 1_110]);
  pass(50);
  expect([none.totalMs, ended.totalMs, open.totalMs]).toEqual([1_000, 1_100, 1_160]);
});

test('a wait that begins in a stop is not counted twice', () => {
  const waits = new Waits();
  const from = performance.now();
  pass(5);
  const end = waits.begin();
  pass(1_000);
  waits.wasStopped(from, performance.now());
  expect(waits.totalMs).toBe(1_005);
  end();
  expect(waits.totalMs).toBe(1_005);
});

test('an event that joins or leaves during a wait counts its part of it', () => {
  const shared = new SharedWaits();
  const [early, late, gone] = [new Waits(), new Waits(), new Waits()];
  shared.join(early);
  const leave = shared.join(gone);
  const [end, other] = [shared.begin(), shared.begin()];
  pass(100);
  leave();
  shared.join(late);
  pass(100);
  end();
  end();
  pass(100);
  other();
  pass(100);
  expect([early.totalMs, late.totalMs, gone.totalMs]).toEqual([300, 200, 100]);
});

test('an event that needs two calls waits while either of them does', () => {
  const [one, other] = [new SharedWaits(), new SharedWaits()];
  const waits = new Waits();
  one.join(waits);
  other.join(waits);
  const endOne = one.begin();
  pass(100);
  const endOther = other.begin();
  endOne();
  pass(100);
  endOther();
  pass(100);
  expect(waits.totalMs).toBe(200);
});
