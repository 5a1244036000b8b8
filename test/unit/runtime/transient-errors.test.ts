import { isTransientDatabaseError, retryTransient } from '@memfleet/runtime';
import { expect, test } from 'vitest';

function coded(code: string, message = 'no'): Error {
  return Object.assign(new Error(message), { code });
}

test.each(['40001', '40P01', '53300', '57014', '57P01', '57P03', '25006', '08006', 'ECONNREFUSED'])(
  '%s may well succeed later',
  (code) => {
    expect(isTransientDatabaseError(coded(code))).toBe(true);
  },
);

test.each(['23505', '22P02', '42P01', '42501', '22021', 'ENOENT'])('%s will not', (code) => {
  expect(isTransientDatabaseError(coded(code))).toBe(false);
});

test('errors that pg gives no code are known by their message', () => {
  for (const message of [
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'Client has encountered a connection error and is not queryable',
  ]) {
    expect(isTransientDatabaseError(new Error(message))).toBe(true);
  }
  expect(isTransientDatabaseError(new AggregateError([coded('ECONNREFUSED')], 'all failed'))).toBe(
    true,
  );
  expect(isTransientDatabaseError(new Error('something else'))).toBe(false);
  expect(isTransientDatabaseError('57P01')).toBe(false);
});

test('work is repeated until it succeeds or fails for good', async () => {
  const answers = [coded('40001'), coded('57P03'), undefined];
  const seen: number[] = [];
  const result = await retryTransient(
    async () => {
      const error = answers.shift();
      if (error !== undefined) throw error;
      return 'done';
    },
    { signal: new AbortController().signal, onRetry: (_, attempt) => seen.push(attempt) },
  );
  expect([result, seen]).toEqual(['done', [1, 2]]);
  let calls = 0;
  const forGood = retryTransient(
    async () => {
      calls += 1;
      throw coded('23505');
    },
    { signal: new AbortController().signal },
  );
  await expect(forGood).rejects.toMatchObject({ code: '23505' });
  expect(calls).toBe(1);
});

test('the signal ends the wait, and what failed is the answer', async () => {
  const stop = new AbortController();
  const work = retryTransient(
    async () => {
      throw coded('57P03', 'starting up');
    },
    { signal: stop.signal, onRetry: () => stop.abort() },
  );
  await expect(work).rejects.toThrow('starting up');
});
