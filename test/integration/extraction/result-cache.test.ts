import { setTimeout as delay } from 'node:timers/promises';
import {
  PaidCalls,
  type PaidResult,
  ProviderGate,
  ResultCache,
  resultKey,
  storeResults,
} from '@memfleet/models';
import { Waits } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';

const alive = new AbortController().signal;
const options = { batch: 100, lingerMs: 2 };
const paid = (content: string, result = `"${content}"`): PaidResult => ({
  key: resultKey('extraction', 'chat', '1', content),
  result,
});

test('parts cannot run into each other', () => {
  expect(resultKey('a', 'bc')).not.toEqual(resultKey('ab', 'c'));
  expect(resultKey('a', 'b')).toEqual(resultKey('a', 'b'));
});

test('results stored by one process are found by another, many in one round trip', async () => {
  await using database = await createTestDatabase();
  const items = Array.from({ length: 60 }, (_none, n) => paid(`content ${n}`));
  await storeResults(database.pool, 'extraction', items);
  let statements = 0;
  const counting = {
    query: ((...args: Parameters<typeof database.pool.query>) => {
      statements += 1;
      return database.pool.query(...args);
    }) as typeof database.pool.query,
  };
  const cache = new ResultCache(counting, options);
  const found = await Promise.all(
    items.map(({ key }) => cache.resolve(key, alive, () => Promise.reject(new Error('called')))),
  );
  expect(found).toEqual(items.map(({ result }) => ({ result, isStored: true, cached: true })));
  expect(statements).toBe(1);
});

test('the first result stays, even when two are stored at once or in one batch', async () => {
  await using database = await createTestDatabase();
  await storeResults(database.pool, 'extraction', [paid('a', '"1"'), paid('a', '"2"')]);
  await Promise.all([
    storeResults(database.pool, 'extraction', [paid('a', '"3"'), paid('b', '"b"')]),
    storeResults(database.pool, 'extraction', [paid('b', '"b"'), paid('a', '"4"')]),
  ]);
  const { rows } = await database.pool.query<{ result: string }>(
    'select result from memfleet.result_cache order by result',
  );
  expect(rows).toEqual([{ result: '"1"' }, { result: '"b"' }]);
});

test('an event that asks during a call waits for that call', async () => {
  await using database = await createTestDatabase();
  const cache = new ResultCache(database.pool, options);
  const { promise, resolve } = Promise.withResolvers<string>();
  let calls = 0;
  const make = (): Promise<string> => {
    calls += 1;
    return promise;
  };
  const { key } = paid('slow');
  const asking = Array.from({ length: 20 }, () => cache.resolve(key, alive, make));
  await expect.poll(() => calls).toBe(1);
  resolve('"made"');
  const results = await Promise.all(asking);
  expect(calls).toBe(1);
  expect(results.filter(({ cached }) => !cached)).toHaveLength(1);
  // Not stored yet, but still known: the record may be committed later.
  expect(await cache.resolve(key, alive, make)).toEqual({
    result: '"made"',
    isStored: false,
    cached: true,
  });
});

test('a failed call fails all that waited, and is not remembered', async () => {
  await using database = await createTestDatabase();
  const cache = new ResultCache(database.pool, options);
  const { key } = paid('failing');
  const make = (): Promise<string> => Promise.reject(new Error('down'));
  const results = await Promise.allSettled([1, 2, 3].map(() => cache.resolve(key, alive, make)));
  for (const result of results) {
    expect(result).toMatchObject({ status: 'rejected', reason: { message: 'down' } });
  }
  expect(await cache.resolve(key, alive, () => Promise.resolve('"up"'))).toEqual({
    result: '"up"',
    isStored: false,
    cached: false,
  });
});

test('when the event that asked is given up, the next one asks', async () => {
  await using database = await createTestDatabase();
  const cache = new ResultCache(database.pool, options);
  const { key } = paid('given up');
  const stop = new AbortController();
  let calls = 0;
  const hanging = cache.resolve(key, stop.signal, () => {
    calls += 1;
    return new Promise<string>((_resolve, reject) => {
      stop.signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    });
  });
  hanging.catch(() => undefined);
  const waiting = cache.resolve(key, alive, () => Promise.resolve('"second"'));
  await expect.poll(() => calls).toBe(1);
  stop.abort(new Error('lease lost'));
  await expect(hanging).rejects.toThrow('aborted');
  expect(await waiting).toEqual({ result: '"second"', isStored: false, cached: false });
});

test('an event that waits is released by its own signal', async () => {
  await using database = await createTestDatabase();
  const cache = new ResultCache(database.pool, options);
  const { key } = paid('slow for others');
  const { promise, resolve } = Promise.withResolvers<string>();
  const asking = cache.resolve(key, alive, () => promise);
  const stop = new AbortController();
  const waiting = cache.resolve(key, stop.signal, () => promise);
  stop.abort(new Error('past its deadline'));
  await expect(waiting).rejects.toThrow('past its deadline');
  resolve('"made"');
  expect(await asking).toEqual({ result: '"made"', isStored: false, cached: false });
});

test('the look-up counts as a wait for all that ask, the call for none', async () => {
  const rows = Promise.withResolvers<{ rows: [] }>();
  const db = { query: () => rows.promise } as unknown as TestDatabase['pool'];
  const cache = new ResultCache(db, options);
  const { key } = paid('looked up');
  const [asker, other] = [new Waits(), new Waits()];
  const answer = Promise.withResolvers<string>();
  let isCalled = false;
  const make = (): Promise<string> => {
    isCalled = true;
    return answer.promise;
  };
  const asking = [asker, other].map((waits) => cache.resolve(key, alive, make, waits));
  await until('both wait', () => asker.totalMs > 0 && other.totalMs > 0);
  rows.resolve({ rows: [] });
  await until('it is called', () => isCalled);
  const before = [asker.totalMs, other.totalMs];
  await delay(5);
  expect([asker.totalMs, other.totalMs]).toEqual(before);
  answer.resolve('"made"');
  await Promise.all(asking);
});

test('while a call waits for the rate limit, all events that wait for the call do', async () => {
  await using database = await createTestDatabase();
  const cache = new ResultCache(database.pool, options);
  const { key } = paid('limited');
  const [asker, other] = [new Waits(), new Waits()];
  const [limit, answer] = [Promise.withResolvers<void>(), Promise.withResolvers<string>()];
  const asking = cache.resolve(
    key,
    alive,
    async (waits) => {
      const endWait = waits.begin();
      await limit.promise;
      endWait();
      return await answer.promise;
    },
    asker,
  );
  const waiting = cache.resolve(key, alive, () => Promise.reject(new Error('asked')), other);
  await until('both wait', () => asker.totalMs > 0 && other.totalMs > 0);
  limit.resolve();
  await until('nobody waits', async () => {
    const before = [asker.totalMs, other.totalMs];
    await delay(5);
    return asker.totalMs === before[0] && other.totalMs === before[1];
  });
  answer.resolve('"made"');
  expect([(await asking).cached, (await waiting).cached]).toEqual([false, true]);
});

test('a result that was not read from the table is stored by each event that uses it', async () => {
  await using database = await createTestDatabase();
  let calls = 0;
  const ask = async (cache: ResultCache) => {
    const paidCalls = new PaidCalls({
      stage: 'extraction',
      gate: new ProviderGate(),
      cache,
      schema: z.string(),
      timeoutMs: 60_000,
    });
    const call = async () => {
      calls += 1;
      const usage = { calls: 1, input_tokens: 1, output_tokens: 1 };
      return { result: 'small talk', usage, costUsd: 0.5 };
    };
    return await paidCalls.ask(
      { key: ['Hello!'], call },
      { tenant: 'acme', signal: alive, waits: new Waits() },
    );
  };
  const cache = new ResultCache(database.pool, options);
  const first = await ask(cache);
  // The event of the first goes to another worker, and is never recorded here.
  const second = await ask(cache);
  expect([first.use.cached, second.use.cached]).toEqual([false, true]);
  expect([first.use.cost_usd, second.use.cost_usd]).toEqual([0.5, 0]);
  expect(second.extra).toEqual(first.extra);
  await storeResults(database.pool, 'extraction', second.extra === undefined ? [] : [second.extra]);
  const elsewhere = await ask(new ResultCache(database.pool, options));
  expect(elsewhere).toMatchObject({ use: { cached: true }, result: 'small talk' });
  expect(elsewhere.extra).toBeUndefined();
  expect(calls).toBe(1);
});
