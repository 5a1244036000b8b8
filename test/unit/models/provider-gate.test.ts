import { ProviderError, type ProviderErrorClass, ProviderGate } from '@memfleet/models';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const open = new AbortController().signal;

function failing(errorClass: ProviderErrorClass, retryAfterMs?: number): () => Promise<never> {
  return async () => {
    throw new ProviderError(errorClass, 'no', retryAfterMs === undefined ? {} : { retryAfterMs });
  };
}

async function fail(gate: ProviderGate, errorClass: ProviderErrorClass, times = 1): Promise<void> {
  for (let count = 0; count < times; count += 1) {
    await expect(gate.call(failing(errorClass))).rejects.toThrow('no');
  }
}

test('single failures pause nothing, five in a row do', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 4);
  await gate.call(async () => 'fine');
  await fail(gate, 'transient', 4);
  expect(gate.pause).toBeUndefined();
  await fail(gate, 'transient');
  expect(gate.pause?.cause).toBe('the service fails: no');
  const work = vi.fn<() => Promise<string>>();
  await expect(gate.call(work)).rejects.toThrow(/not called/);
  expect(work).not.toHaveBeenCalled();
});

test('after a pause one event probes; its success opens the gate', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  const ready = gate.ready(open);
  await vi.advanceTimersByTimeAsync(600);
  expect(await ready).toBe(1);
  const answer = Promise.withResolvers<string>();
  const probe = gate.call(() => answer.promise);
  // While it runs there are no other calls, and no more events are pulled.
  await expect(gate.call(async () => 'second')).rejects.toThrow(/not called/);
  let bound: number | undefined;
  const waiting = (async () => {
    bound = await gate.ready(open);
  })();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(bound).toBeUndefined();
  answer.resolve('well again');
  expect(await probe).toBe('well again');
  await vi.advanceTimersByTimeAsync(200);
  await waiting;
  expect(bound).toBe(Number.POSITIVE_INFINITY);
  expect(gate.cause).toBeUndefined();
});

test('a probe that hangs lets another go, whose success opens the gate', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  await vi.advanceTimersByTimeAsync(500);
  expect(await gate.ready(open)).toBe(1);
  void gate.call(() => new Promise(() => {}));
  let bound: number | undefined;
  const next = (async () => {
    bound = await gate.ready(open);
  })();
  await vi.advanceTimersByTimeAsync(5_000);
  expect(bound).toBeUndefined();
  await expect(gate.call(async () => 'too early')).rejects.toThrow(/not called/);
  await vi.advanceTimersByTimeAsync(5_000);
  await next;
  expect(bound).toBe(1);
  expect(await gate.call(async () => 'well again')).toBe('well again');
  expect(gate.cause).toBeUndefined();
  expect(await gate.ready(open)).toBe(Number.POSITIVE_INFINITY);
});

test('a failure of the second probe pauses again, although the first still hangs', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  await vi.advanceTimersByTimeAsync(500);
  void gate.call(() => new Promise(() => {}));
  await vi.advanceTimersByTimeAsync(9_000);
  await fail(gate, 'transient');
  expect(gate.pause).toBeDefined();
  await vi.advanceTimersByTimeAsync(1_100);
  // The pause is over, and no other probe is waited for.
  expect(await gate.call(async () => 'well again')).toBe('well again');
  expect(gate.cause).toBeUndefined();
});

test('while every probe hangs, few of them are under way', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  let probes = 0;
  const hangs = async (): Promise<never> => {
    probes += 1;
    return await Promise.withResolvers<never>().promise;
  };
  for (let second = 0; second < 12 * 60; second += 1) {
    await vi.advanceTimersByTimeAsync(1_000);
    // Refused while a probe is waited for.
    gate.call(hangs).catch(() => undefined);
  }
  expect(probes).toBeGreaterThan(10);
  expect(probes).toBeLessThan(25);
});

test('a probe that fails pauses longer, up to four seconds', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  const pauses: number[] = [];
  for (let probe = 0; probe < 5; probe += 1) {
    pauses.push(Math.round((gate.pause?.untilMs ?? 0) - performance.now()));
    await vi.advanceTimersByTimeAsync(pauses.at(-1) ?? 0);
    await fail(gate, 'transient');
  }
  expect(pauses).toEqual([500, 1_000, 2_000, 4_000, 4_000]);
});

test('a probe without a call lets another probe go', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 5);
  await vi.advanceTimersByTimeAsync(500);
  expect(await gate.ready(open)).toBe(1);
  const second = gate.ready(open);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(await second).toBe(1);
});

test('rate limits pause as long as the service asks, and a late success does not end them', async () => {
  const gate = new ProviderGate();
  const answer = Promise.withResolvers<string>();
  const before = gate.call(() => answer.promise);
  await expect(gate.call(failing('rate_limited', 20_000))).rejects.toThrow('no');
  answer.resolve('begun before the limit');
  await before;
  await vi.advanceTimersByTimeAsync(19_000);
  expect(gate.pause?.cause).toBe('rate limited: no');
  await vi.advanceTimersByTimeAsync(1_100);
  expect(gate.pause).toBeUndefined();
  expect(await gate.ready(open)).toBe(1);
});

test.each(['quota', 'auth'] as const)('%s pauses at once and says so', async (errorClass) => {
  const gate = new ProviderGate();
  await fail(gate, errorClass);
  expect(gate.pause?.cause).toBe(`${errorClass}: no`);
});

test.each(['quota', 'auth', 'rate_limited'] as const)(
  'a call that waits for its turn when a call is refused (%s) is not made',
  async (errorClass) => {
    const gate = new ProviderGate({ limits: { requestsPerMinute: 600 } });
    const answer = Promise.withResolvers<never>();
    let made = 0;
    const calls = Array.from({ length: 40 }, () =>
      gate.call(() => {
        made += 1;
        return answer.promise;
      }),
    );
    const ended = Promise.allSettled(calls);
    await vi.advanceTimersByTimeAsync(500);
    const underWay = made;
    expect(underWay).toBeGreaterThan(1);
    expect(underWay).toBeLessThan(40);
    answer.reject(new ProviderError(errorClass, 'no', { retryAfterMs: 60_000 }));
    await vi.advanceTimersByTimeAsync(30_000);
    await ended;
    expect(made).toBe(underWay);
  },
);

test('calls in progress when an outage began do not lengthen it', async () => {
  const gate = new ProviderGate();
  const fails = Promise.withResolvers<never>();
  const calls = Array.from({ length: 50 }, () => gate.call(() => fails.promise));
  fails.reject(new ProviderError('transient', 'no'));
  await Promise.allSettled(calls);
  expect((gate.pause?.untilMs ?? 0) - performance.now()).toBeLessThanOrEqual(500);
});

test('a rejected input is no outage', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'transient', 4);
  await fail(gate, 'invalid_input');
  await fail(gate, 'transient', 4);
  expect(gate.pause).toBeUndefined();
});

test('the wait for the gate ends with the signal', async () => {
  const gate = new ProviderGate();
  await fail(gate, 'auth');
  const stop = new AbortController();
  const ready = gate.ready(stop.signal);
  stop.abort();
  await vi.advanceTimersByTimeAsync(1);
  await expect(ready).resolves.toBeDefined();
});
