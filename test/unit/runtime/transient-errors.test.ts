import { isTransientDatabaseError, retryTransient } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import {
  isServerError,
  isStatementTrouble,
} from '../../../shared/runtime/src/database/transaction.ts';

function coded(code: string, message = 'no'): Error {
  return Object.assign(new Error(message), { code });
}

test.each([
  '40001',
  '40P01',
  '53300',
  '57014',
  '57P01',
  '57P03',
  '57P04',
  '58030',
  '25006',
  '25P03',
  '25P04',
  '08006',
  'ECONNREFUSED',
  'EMFILE',
  'ERR_STREAM_DESTROYED',
])('%s may well succeed later', (code) => {
  expect(isTransientDatabaseError(coded(code))).toBe(true);
});

test.each([
  { code: 'ENOENT', syscall: 'connect', message: 'connect ENOENT /run/postgresql/.s.PGSQL.5432' },
  { code: 'EACCES', syscall: 'connect' },
  { code: 'CERT_HAS_EXPIRED' },
  { code: 'ERR_TLS_CERT_ALTNAME_INVALID' },
  { code: 'EPROTO' },
  { message: 'The server does not support SSL connections' },
])('a connection that cannot be made may be made later: %j', (about) => {
  expect(isTransientDatabaseError(Object.assign(new Error('no'), about))).toBe(true);
});

test.each([
  { code: 'ENOENT', syscall: 'open' },
  { code: 'EISDIR', syscall: 'read' },
  { code: 'ENOSPC', syscall: 'write' },
  { code: 'ENOENT' },
])('a file in trouble is no connection: %j', (about) => {
  expect(isTransientDatabaseError(Object.assign(new Error('no'), about))).toBe(false);
});

test.each(['57014', '25P03', '53200'])('%s may be the trouble of one statement alone', (code) => {
  expect(isStatementTrouble(coded(code))).toBe(true);
});

test.each(['57P01', '25006', '08006', '40P01', 'ECONNREFUSED', '42501'])(
  '%s is no trouble of one statement alone',
  (code) => {
    expect(isStatementTrouble(coded(code))).toBe(false);
  },
);

test.each(['42501', '42P01', '26000', '25P02', '28P01', '3D000', '58P01', 'XX000', '57P01'])(
  '%s is the fault of the server, for any values',
  (code) => {
    expect(isServerError(coded(code))).toBe(true);
  },
);

test.each(['22003', '22P02', '22021', '23505', '23514', '54000', 'P0001', '', 'EXXXX', 'ENOENT'])(
  '%j may be the fault of the given values',
  (code) => {
    expect(isServerError(coded(code))).toBe(false);
  },
);

test.each(['23505', '22P02', '42P01', '42501', '22021', 'ENOENT'])('%s will not', (code) => {
  expect(isTransientDatabaseError(coded(code))).toBe(false);
});

test("pg's errors without a code are recognised by their message", () => {
  for (const message of [
    'Connection terminated unexpectedly',
    'timeout exceeded when trying to connect',
    'Query read timeout',
    'timeout expired',
    'Received unexpected rowDescription message from backend.',
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

test('the signal ends the wait, and the last failure is thrown', async () => {
  const stop = new AbortController();
  const work = retryTransient(
    async () => {
      throw coded('57P03', 'starting up');
    },
    { signal: stop.signal, onRetry: () => stop.abort() },
  );
  await expect(work).rejects.toThrow('starting up');
});
