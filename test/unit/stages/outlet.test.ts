import { expect, test } from 'vitest';
import {
  OutputGate,
  PROBE_AFTER_MS,
  Refused,
} from '../../../shared/stages/src/admission/output-gate.ts';
import { Outlet, type Standing, Taken } from '../../../shared/stages/src/pipeline/outlet.ts';
import { until } from '../../support/until.ts';

const FULL = new Refused('it is full', PROBE_AFTER_MS.certain);

interface Bench {
  readonly gate: OutputGate;
  readonly outlet: Outlet<number, string>;
  readonly attempts: { readonly items: readonly number[]; readonly standing: Standing }[];
  readonly end: AbortController;
}

function benchOf(answer: (item: number) => Taken<string> | Refused): Bench {
  const [gate, end] = [new OutputGate(), new AbortController()];
  const attempts: Bench['attempts'] = [];
  const outlet = new Outlet<number, string>({
    gate,
    signal: end.signal,
    size: 8,
    giveUp: (item) => `gave up ${item}`,
    async attempt(items, standing) {
      attempts.push({ items, standing });
      return items.map(answer);
    },
  });
  return { gate, outlet, attempts, end };
}

async function all<Value>(results: readonly (Value | Promise<Value>)[]): Promise<Value[]> {
  return await Promise.all(results.map(async (result) => await result));
}

const taken = (item: number): Taken<string> => new Taken(`took ${item}`, true);

test('an accepted item has its result at once, and the gate stays open', async () => {
  const { outlet, gate } = benchOf(taken);
  expect(await outlet.put([1, 2])).toEqual(['took 1', 'took 2']);
  expect([outlet.isOpen, gate.cause, gate.pause]).toEqual([true, undefined, undefined]);
});

test('a place that refuses is probed with one item, and then gets the rest in growing batches', async () => {
  let isFull = true;
  const { outlet, gate, attempts } = benchOf((item) => (isFull ? FULL : taken(item)));
  const first = await outlet.put([1, 2, 3]);
  expect([gate.cause, gate.pause?.untilMs]).toEqual(['it is full', Number.POSITIVE_INFINITY]);
  // Items that arrive meanwhile are not even offered.
  const later = await outlet.put([4, 5, 6, 7, 8, 9]);
  await until('it is probed twice', () => attempts.length === 3);
  expect(attempts.slice(1).map(({ items }) => items.length)).toEqual([1, 1]);
  isFull = false;
  const results = await all([...first, ...later]);
  expect(results).toEqual([1, 2, 3, 4, 5, 6, 7, 8, 9].map((item) => `took ${item}`));
  expect(attempts.slice(3).map(({ items }) => items.length)).toEqual([1, 2, 4, 2]);
  expect(attempts.slice(3).map(({ standing }) => standing)).toEqual([
    'closed',
    'proven',
    'proven',
    'proven',
  ]);
  await until('it is open', () => outlet.isOpen);
  expect([gate.cause, gate.pause]).toEqual([undefined, undefined]);
});

test('an item that is refused for ever holds up no other', async () => {
  const unclear = new Refused('no', PROBE_AFTER_MS.unclear);
  let isDown = true;
  const { outlet } = benchOf((item) => (isDown || item === 1 ? unclear : taken(item)));
  const results = await outlet.put([1, 2, 3]);
  isDown = false;
  expect(await all(results.slice(1))).toEqual(['took 2', 'took 3']);
  expect(outlet.isOpen).toBe(false);
});

test('the end of the stage ends all waits', async () => {
  const { outlet, gate, end } = benchOf(() => FULL);
  const results = await outlet.put([1, 2]);
  end.abort();
  expect(await all(results)).toEqual(['gave up 1', 'gave up 2']);
  expect(await all(await outlet.put([3]))).toEqual(['gave up 3']);
  expect(gate.cause).toBeUndefined();
});

test('a closed gate lets nothing through, except a probe where only another event can tell', async () => {
  const gate = new OutputGate();
  const stop = new AbortController();
  expect(await gate.ready(stop.signal)).toBe(Number.POSITIVE_INFINITY);
  const [certain, unclear] = [{}, {}];
  gate.close(unclear, new Refused('perhaps', 0));
  gate.close(certain, FULL);
  let room: number | undefined;
  const waiting = gate.ready(stop.signal).then((most) => {
    room = most;
  });
  const startedAt = performance.now();
  await until('it has waited', () => performance.now() - startedAt > 150);
  expect(room).toBeUndefined();
  gate.open(certain);
  await waiting;
  expect([room, gate.pause, gate.cause]).toEqual([1, undefined, 'perhaps']);
  // One event at a time.
  const second = gate.ready(stop.signal);
  gate.open(unclear);
  expect(await second).toBe(Number.POSITIVE_INFINITY);
});

/** A place that may be probed soon, and one that may not be probed for long. */
const UNCLEAR = new Refused('perhaps', 200);
const LIKELY = new Refused('very likely', 60_000);

async function isReady(gate: OutputGate, withinMs: number): Promise<boolean> {
  const end = AbortSignal.timeout(withinMs);
  return (await gate.ready(end)) === 1;
}

test('a refusal that is unclear after a certain one is probed, if not at once', async () => {
  const [gate, holder] = [new OutputGate(), {}];
  gate.close(holder, FULL);
  expect(gate.pause?.untilMs).toBe(Number.POSITIVE_INFINITY);
  gate.close(holder, UNCLEAR);
  expect([gate.cause, await isReady(gate, 10_000)]).toEqual(['perhaps', true]);
});

test('a certain refusal after an unclear one is not probed, not even by the probe under way', async () => {
  const [gate, holder] = [new OutputGate(), {}];
  gate.close(holder, UNCLEAR);
  expect(await isReady(gate, 10_000)).toBe(true);
  expect(gate.pause).toBeUndefined();
  gate.close(holder, FULL);
  expect(gate.pause).toEqual({ cause: 'it is full', untilMs: Number.POSITIVE_INFINITY });
  expect(await isReady(gate, 500)).toBe(false);
});

test('alternating refusals do not put the probe off for ever', async () => {
  const [gate, holder] = [new OutputGate(), {}];
  gate.close(holder, LIKELY);
  let turns = 0;
  const timer = setInterval(() => {
    turns += 1;
    gate.close(holder, turns % 2 === 0 ? UNCLEAR : LIKELY);
  }, 20);
  try {
    expect(await isReady(gate, 10_000)).toBe(true);
  } finally {
    clearInterval(timer);
  }
});

test('an item that the place neither accepts nor refuses holds up nothing behind it', async () => {
  const { outlet, gate, attempts } = benchOf((item) =>
    item === 0 ? new Refused('no', PROBE_AFTER_MS.unclear) : new Taken(`passed ${item}`, false),
  );
  const results = await outlet.put(Array.from({ length: 201 }, (_, item) => item));
  const later = await outlet.put(Array.from({ length: 200 }, (_, item) => 201 + item));
  await all([...results.slice(1), ...later]);
  // The refused one is retried after waits of its own; the others pass in batches in between.
  expect(attempts.length).toBeLessThan(60);
  expect([outlet.isOpen, gate.cause]).toEqual([false, 'no']);
});
