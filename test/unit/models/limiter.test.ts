import { ProviderError, ProviderGate, RateLimiter } from '@memfleet/models';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

const alive = new AbortController().signal;

/** Starts `count` calls at once; refused ones do not count. @returns when each was admitted, in ms from now */
function ask(limiter: RateLimiter, calls: number, tokens = 0): number[] {
  const startedAt = performance.now();
  const times: number[] = [];
  for (let index = 0; index < calls; index += 1) {
    limiter.acquire(tokens, alive).then(
      () => times.push(performance.now() - startedAt),
      (error: unknown) => expect(error).toBeInstanceOf(ProviderError),
    );
  }
  return times;
}

test('without limits nobody waits', async () => {
  const times = ask(new RateLimiter(), 500, 1_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(times).toHaveLength(500);
});

test("requests per minute: one second's quota at once, the rest at the rate", async () => {
  const times = ask(new RateLimiter({ requestsPerMinute: 600 }), 100);
  await vi.advanceTimersByTimeAsync(0);
  expect(times).toHaveLength(10);
  await vi.advanceTimersByTimeAsync(5_000);
  expect(times.length).toBeGreaterThanOrEqual(58);
  expect(times.length).toBeLessThanOrEqual(61);
});

test('tokens per minute: an estimate that was too low is corrected', async () => {
  const limiter = new RateLimiter({ tokensPerMinute: 60_000 });
  const permit = await limiter.acquire(500, alive);
  // It used 3,000 more than estimated: three seconds' quota.
  permit.end(3_500);
  const times = ask(limiter, 1, 500);
  await vi.advanceTimersByTimeAsync(2_900);
  expect(times).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(300);
  expect(times).toHaveLength(1);
});

test.each([Number.NaN, -1e9, Number.POSITIVE_INFINITY])(
  'a call that took %s tokens counts as expected',
  async (taken) => {
    const limiter = new RateLimiter({ tokensPerMinute: 60_000 });
    (await limiter.acquire(500, alive)).end(taken);
    // Half of a second's tokens are left.
    const times = ask(limiter, 1, 1_000);
    await vi.advanceTimersByTimeAsync(450);
    expect(times).toHaveLength(0);
    await vi.advanceTimersByTimeAsync(100);
    expect(times).toHaveLength(1);
    await expect(limiter.acquire(taken, alive)).rejects.toThrow(TypeError);
  },
);

test("a call larger than one second's tokens passes when the bucket is full", async () => {
  const times = ask(new RateLimiter({ tokensPerMinute: 6_000 }), 2, 1_000);
  await vi.advanceTimersByTimeAsync(0);
  expect(times).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(9_800);
  expect(times).toHaveLength(1);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(times).toHaveLength(2);
});

test('the configured limit is divided among the processes', async () => {
  const limiter = new RateLimiter({ requestsPerMinute: 600 });
  limiter.shareAmong(5);
  const times = ask(limiter, 50);
  await vi.advanceTimersByTimeAsync(10_000);
  expect(times.length).toBeGreaterThanOrEqual(20);
  expect(times.length).toBeLessThanOrEqual(23);
});

test('a call that would wait too long fails with the wait instead', async () => {
  const limiter = new RateLimiter({ requestsPerMinute: 60 });
  ask(limiter, 22);
  await expect(limiter.acquire(0, alive)).rejects.toMatchObject({ errorClass: 'rate_limited' });
  await expect(limiter.acquire(0, alive)).rejects.toSatisfy(
    (error) => error instanceof ProviderError && (error.retryAfterMs ?? 0) > 20_000,
  );
});

test('a waiting call fails at once when the service reports a used-up limit, not at the end', async () => {
  const limiter = new RateLimiter({ requestsPerMinute: 60 });
  ask(limiter, 1);
  const told: unknown[] = [];
  for (let index = 0; index < 4; index += 1) {
    limiter.acquire(0, alive).catch((error: unknown) => told.push(error));
  }
  await vi.advanceTimersByTimeAsync(500);
  limiter.learn({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '6m0s' });
  await vi.advanceTimersByTimeAsync(1_000);
  expect(told).toHaveLength(4);
  for (const error of told) {
    expect(error).toMatchObject({ errorClass: 'rate_limited' });
    expect((error as ProviderError).retryAfterMs).toBeGreaterThan(350_000);
  }
  expect(limiter.isBusy).toBe(false);
});

test('a call waits for a limit that is used up briefly', async () => {
  const limiter = new RateLimiter();
  limiter.learn({ 'x-ratelimit-remaining-requests': '0', 'x-ratelimit-reset-requests': '15s' });
  const times = ask(limiter, 3);
  await vi.advanceTimersByTimeAsync(14_000);
  expect(times).toHaveLength(0);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(times).toHaveLength(3);
});

test('a wait ends with its signal, and the next has its turn', async () => {
  const limiter = new RateLimiter({ requestsPerMinute: 60 });
  ask(limiter, 1);
  const stop = new AbortController();
  const waiting = limiter.acquire(0, stop.signal);
  const times = ask(limiter, 1);
  stop.abort(new Error('lease lost'));
  await expect(waiting).rejects.toThrow('lease lost');
  await vi.advanceTimersByTimeAsync(1_100);
  expect(times).toHaveLength(1);
  expect(limiter.isBusy).toBe(false);
});

test('the remaining quota that the service reports limits the calls until its reset', async () => {
  const told: [string, number][] = [];
  const limiter = new RateLimiter({}, (cause, ms) => told.push([cause, ms]));
  const first = await limiter.acquire(0, alive);
  limiter.learn({ 'x-ratelimit-remaining-requests': '2', 'x-ratelimit-reset-requests': '10s' });
  first.end();
  const times = ask(limiter, 4);
  await vi.advanceTimersByTimeAsync(9_000);
  expect(times).toHaveLength(2);
  expect(told).toEqual([]);
  await vi.advanceTimersByTimeAsync(1_100);
  expect(times).toHaveLength(4);
});

test('a used-up limit is a pause, and is shared with the other processes', async () => {
  const gate = new ProviderGate();
  const told: [string, number][] = [];
  gate.onPause = (cause, ms) => told.push([cause, ms]);
  vi.stubGlobal('fetch', async () => {
    return new Response('{}', {
      headers: { 'x-ratelimit-remaining-tokens': '0', 'x-ratelimit-reset-tokens': '6m0s' },
    });
  });
  await gate.call(async () => await gate.fetch('http://service.test/'));
  vi.unstubAllGlobals();
  expect(told).toEqual([['rate limited: the service says that its limit is used up', 360_000]]);
  expect(gate.cause).toMatch(/used up/);
  await vi.advanceTimersByTimeAsync(360_001);
  expect(gate.pause).toBeUndefined();
});

test('while calls wait for the limit no more events are pulled', async () => {
  const gate = new ProviderGate({ limits: { requestsPerMinute: 60 } });
  void gate.call(async () => 'first');
  void gate.call(async () => 'second');
  await vi.advanceTimersByTimeAsync(0);
  // The gate looks again in real time, by the clock of the test.
  const pulled: number[] = [];
  const ready = (async () => {
    await gate.ready(alive);
    pulled.push(performance.now());
  })();
  await vi.advanceTimersByTimeAsync(900);
  expect(pulled).toEqual([]);
  await vi.advanceTimersByTimeAsync(300);
  await ready;
});
