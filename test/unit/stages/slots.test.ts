import { expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { InFlight } from '../../../shared/stages/src/admission/in-flight.ts';
import { InputSlots } from '../../../shared/stages/src/admission/input-slots.ts';

const signal = new AbortController().signal;
// The slots never look at a message.
const message = {} as Delivery;

test('requested and held events never exceed the slots', async () => {
  const inFlight = new InFlight(10);
  const input = new InputSlots(inFlight, { batch: 8, lingerMs: 1, inputs: 1 });
  expect(await input.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  const held = Array.from({ length: 8 }, () => input.hold(message));
  expect(inFlight.free).toBe(2);
  expect(await input.reserve(Number.POSITIVE_INFINITY, signal)).toBe(2);
  expect(inFlight.free).toBe(0);
  input.hold(message);
  // One came, one did not: the next request may ask for the latter again.
  for (const one of held) inFlight.letGo(one);
  expect(await input.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  input.end();
  expect(inFlight.free).toBe(9);
});

test('a bound of one allows one, and without a free slot it waits', async () => {
  const inFlight = new InFlight(1);
  const input = new InputSlots(inFlight, { batch: 8, lingerMs: 1, inputs: 1 });
  expect(await input.reserve(1, signal)).toBe(1);
  const held = input.hold(message);
  let reserved: number | undefined;
  const waiting = input.reserve(1, signal).then((count) => (reserved = count));
  await Promise.resolve();
  expect(reserved).toBeUndefined();
  inFlight.letGo(held);
  await waiting;
  expect(reserved).toBe(1);
});

test('an idle input leaves the slots to a busy one, which grows into them', async () => {
  const inFlight = new InFlight(256);
  const options = { batch: 128, lingerMs: 1, inputs: 2 };
  const [quiet, busy] = [new InputSlots(inFlight, options), new InputSlots(inFlight, options)];
  expect(await quiet.reserve(Number.POSITIVE_INFINITY, signal)).toBe(8);
  const asked: number[] = [];
  while (inFlight.free > 0) {
    const count = await busy.reserve(Number.POSITIVE_INFINITY, signal);
    asked.push(count);
    for (let index = 0; index < count; index += 1) busy.hold(message);
    // As a stage does before any other wait.
    busy.end();
  }
  expect(asked.slice(0, 3)).toEqual([8, 32, 128]);
  expect(inFlight.size).toBe(248);
});

test('an abort ends every wait', async () => {
  const inFlight = new InFlight(1);
  inFlight.hold(message);
  const stop = new AbortController();
  const input = new InputSlots(inFlight, { batch: 8, lingerMs: 1, inputs: 1 });
  const waiting = input.reserve(1, stop.signal);
  stop.abort();
  expect(await waiting).toBe(0);
  expect(await inFlight.drained(1)).toBe(false);
});

test('events being settled have given their slots back, up to as many events as slots', () => {
  const inFlight = new InFlight(4);
  const input = new InputSlots(inFlight, { batch: 4, lingerMs: 0, inputs: 1 });
  const first = Array.from({ length: 4 }, () => input.hold(message));
  expect(inFlight.free).toBe(0);
  for (const held of first) inFlight.beginSettling(held);
  expect(inFlight.free).toBe(4);
  const second = Array.from({ length: 4 }, () => input.hold(message));
  for (const held of second) inFlight.beginSettling(held);
  expect([inFlight.free, inFlight.size]).toEqual([0, 8]);
  for (const held of first) inFlight.letGo(held);
  for (const held of second) inFlight.letGo(held);
  expect([inFlight.free, inFlight.finished]).toEqual([4, 8]);
});
