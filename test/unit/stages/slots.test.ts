import { expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { RequestSize } from '../../../shared/stages/src/admission/request-size.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';

const signal = new AbortController().signal;
// The slots never look at a message.
const message = {} as Delivery;

test('requested and held events never exceed the slots', async () => {
  const slots = new Slots(10);
  const source = new RequestSize(slots, { batch: 8, lingerMs: 1, sources: 1 });
  expect(await source.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  const jobs = Array.from({ length: 8 }, () => source.hold(message));
  expect(slots.free).toBe(2);
  expect(await source.reserve(Number.POSITIVE_INFINITY, signal)).toBe(2);
  expect(slots.free).toBe(0);
  source.hold(message);
  // One came, one did not: the next request may ask for the latter again.
  for (const job of jobs) slots.letGo(job);
  expect(await source.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  source.end();
  expect(slots.free).toBe(9);
});

test('a bound of one allows one, and without a free slot it waits', async () => {
  const slots = new Slots(1);
  const source = new RequestSize(slots, { batch: 8, lingerMs: 1, sources: 1 });
  expect(await source.reserve(1, signal)).toBe(1);
  const job = source.hold(message);
  let reserved: number | undefined;
  const waiting = source.reserve(1, signal).then((count) => (reserved = count));
  await Promise.resolve();
  expect(reserved).toBeUndefined();
  slots.letGo(job);
  await waiting;
  expect(reserved).toBe(1);
});

test('an idle source leaves the slots to a busy one, which grows into them', async () => {
  const slots = new Slots(256);
  const options = { batch: 128, lingerMs: 1, sources: 2 };
  const [idle, busy] = [new RequestSize(slots, options), new RequestSize(slots, options)];
  expect(await idle.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  const asked: number[] = [];
  while (slots.free > 0) {
    const count = await busy.reserve(Number.POSITIVE_INFINITY, signal);
    asked.push(count);
    for (let index = 0; index < count; index += 1) busy.hold(message);
    // As a stage does before any other wait.
    busy.end();
  }
  expect(asked.slice(0, 3)).toEqual([8, 32, 128]);
  expect(slots.size).toBe(248);
});

test('an abort ends every wait', async () => {
  const slots = new Slots(1);
  slots.hold(message);
  const stop = new AbortController();
  const source = new RequestSize(slots, { batch: 8, lingerMs: 1, sources: 1 });
  const waiting = source.reserve(1, stop.signal);
  stop.abort();
  expect(await waiting).toBe(0);
  expect(await slots.drained(1)).toBe(false);
});

test('events being settled have given their slots back, up to as many events as slots', () => {
  const slots = new Slots(4);
  const source = new RequestSize(slots, { batch: 4, lingerMs: 0, sources: 1 });
  const first = Array.from({ length: 4 }, () => source.hold(message));
  expect(slots.free).toBe(0);
  for (const job of first) slots.beginSettling(job);
  expect(slots.free).toBe(4);
  const second = Array.from({ length: 4 }, () => source.hold(message));
  for (const job of second) slots.beginSettling(job);
  expect([slots.free, slots.size]).toEqual([0, 8]);
  for (const job of first) slots.letGo(job);
  for (const job of second) slots.letGo(job);
  expect([slots.free, slots.finished]).toEqual([4, 8]);
});
