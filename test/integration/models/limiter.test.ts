import { ProviderError, ProviderGate, ProviderState } from '@memfleet/models';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { silent } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

/** The parts of a stage process that this test needs. */
function member(db: TestDatabase['pool'], instance: string, stage = 'extraction') {
  const gate = new ProviderGate({ limits: { requestsPerMinute: 6_000 } });
  return { gate, state: new ProviderState({ db, stage, instance, gate, log: silent }) };
}

test('a Retry-After received by one process applies to the others of its stage', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const [one, other, stranger] = [
    member(pool, 'one'),
    member(pool, 'other'),
    member(pool, 'stranger', 'embedding'),
  ];
  await other.state.start();
  await stranger.state.start();
  const limited = new ProviderError('rate_limited', 'HTTP 429', { retryAfterMs: 20_000 });
  const calls = Array.from({ length: 10 }, () => one.gate.call(() => Promise.reject(limited)));
  await Promise.allSettled(calls);
  const saidAt = performance.now();
  await until('the other has heard of it', () => other.gate.pause !== undefined);
  expect(performance.now() - saidAt).toBeLessThan(3_000);
  expect(other.gate.cause).toBe('rate limited: HTTP 429');
  const leftMs = (other.gate.pause?.untilMs ?? 0) - performance.now();
  expect(leftMs).toBeGreaterThan(15_000);
  expect(leftMs).toBeLessThanOrEqual(20_000);
  await expect(other.gate.call(async () => 'called')).rejects.toThrow('not called');
  await stranger.state.look();
  expect(stranger.gate.pause).toBeUndefined();
  // One that starts now knows it before its first call.
  const late = member(pool, 'late');
  await late.state.start();
  expect(late.gate.pause).toBeDefined();
  for (const { state } of [one, other, stranger, late]) state.stop();
});

test('a longer pause outlasts a shorter one, and one that is over applies to nobody', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const [one, other] = [member(pool, 'one'), member(pool, 'other')];
  one.gate.onPause?.('long', 60_000);
  await until('it is told', async () => {
    await other.state.look();
    return other.gate.cause === 'long';
  });
  one.gate.onPause?.('short', 1_000);
  await other.state.look();
  expect(other.gate.cause).toBe('long');
  await pool.query('update memfleet.provider_state set paused_until = now()');
  const late = member(pool, 'late');
  await late.state.look();
  expect(late.gate.pause).toBeUndefined();
  for (const { state } of [one, other, late]) state.stop();
});

test('the configured limit is divided among the processes that report', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const { gate, state } = member(pool, 'one');
  await pool.query(
    `insert into memfleet.worker_reports
       (instance, worker, host, pid, state, in_flight, processed, rate, reported_at)
     select 'p' || n, 'extraction', 'h', n, 'working', 0, 0, 0,
       now() - case when n <= 10 then interval '1 second' else interval '1 hour' end
     from generate_series(1, 12) as n`,
  );
  await state.look();
  // 6,000 a minute divided among ten are ten a second, and as many at once.
  const startedAt = performance.now();
  await Promise.all(Array.from({ length: 30 }, () => gate.call(async () => 'called')));
  const tookMs = performance.now() - startedAt;
  expect(tookMs).toBeGreaterThan(1_900);
  state.stop();
});
