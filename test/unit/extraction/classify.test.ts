import { classifyProviderError, ProviderError } from '@memfleet/models';
import { describe, expect, test } from 'vitest';

/** An error with the relevant fields of the AI SDK's errors. */
function callError(answer: {
  readonly statusCode?: number;
  readonly responseHeaders?: Record<string, string>;
  readonly responseBody?: string;
  readonly cause?: unknown;
}): Error {
  const error = new Error('call failed', { cause: answer.cause });
  error.name = 'AI_APICallError';
  return Object.assign(error, answer);
}

function named(name: string, message = 'x', cause?: unknown): Error {
  const error = new Error(message, { cause });
  error.name = name;
  return error;
}

const body = (error: unknown): string => JSON.stringify({ error });
const now = Date.parse('2025-03-01T12:00:00Z');

describe('answers with a status', () => {
  test.each([
    ['transient', 500, body({ message: 'oops', type: 'server_error' })],
    ['transient', 502, '<html>Bad gateway</html>'],
    ['transient', 503, ''],
    ['transient', 529, body({ type: 'overloaded_error' })],
    ['transient', 408, ''],
    ['transient', 409, ''],
    ['transient', 400, '<html>proxy</html>'],
    ['rate_limited', 429, body({ code: 'rate_limit_exceeded' })],
    ['rate_limited', 429, ''],
    ['rate_limited', 429, '<html>slow down</html>'],
    ['quota', 429, body({ code: 'insufficient_quota' })],
    ['quota', 429, body({ message: 'You exceeded your current quota, please check your plan' })],
    ['quota', 402, ''],
    ['quota', 403, body({ code: 'insufficient_balance' })],
    ['auth', 401, body({ code: 'invalid_api_key' })],
    ['auth', 403, ''],
    ['auth', 401, '<html>login</html>'],
    ['auth', 404, body({ code: 'model_not_found' })],
    ['auth', 404, '<html>not found</html>'],
    ['auth', 307, ''],
    ['auth', 400, body({ status: 'API_KEY_INVALID', message: 'API key not valid' })],
    ['auth', 400, body({ code: 'unsupported_parameter', message: 'max_tokens' })],
    ['invalid_input', 400, body({ code: 'context_length_exceeded' })],
    ['invalid_input', 400, body({ message: 'bad request' })],
    ['invalid_input', 413, '<html>413</html>'],
    ['invalid_input', 422, JSON.stringify({ detail: [{ msg: 'too long' }] })],
    ['invalid_input', 500, body('input length exceeds the context length')],
    ['invalid_input', 403, body({ message: 'input was flagged by moderation' })],
    ['transient', 200, '<html>welcome</html>'],
    ['transient', 200, '{"choices":[{"mess'],
    ['transient', 200, ''],
    ['transient', 200, body({ message: 'something broke' })],
    ['quota', 200, body({ code: 'insufficient_quota' })],
    ['rate_limited', 200, body({ code: 429, message: 'x' })],
    ['invalid_output', 200, '{"choices":"none"}'],
    ['invalid_output', 200, '{"error":null,"data":7}'],
    ['invalid_output', 200, '[1,2]'],
  ])('%s: %i %s', (errorClass, statusCode, responseBody) => {
    const error = classifyProviderError(callError({ statusCode, responseBody }), now);
    expect(error?.errorClass).toBe(errorClass);
    expect(error?.status).toBe(statusCode);
  });

  test('the message names status and code, never what was sent or the key', () => {
    const error = classifyProviderError(
      callError({
        statusCode: 401,
        responseBody: body({ code: 'invalid_api_key', message: 'Incorrect API key: sk-secret' }),
      }),
    );
    expect(error?.message).toBe('HTTP 401 invalid_api_key');
  });

  test('a body that is cut off while it is read is the network’s fault', () => {
    const cut = callError({ statusCode: 200, cause: new TypeError('terminated') });
    expect(classifyProviderError(cut)?.errorClass).toBe('transient');
  });
});

describe('how long to pause calls to the service', () => {
  test.each<[string, Record<string, string>, number | undefined]>([
    ['seconds', { 'retry-after': '20' }, 20_000],
    ['parts of a second', { 'retry-after': '1.5' }, 1_500],
    ['an HTTP date', { 'retry-after': 'Sat, 01 Mar 2025 12:00:30 GMT' }, 30_000],
    ['a date gone by', { 'retry-after': 'Sat, 01 Mar 2025 11:00:00 GMT' }, 250],
    ['nothing at all is still a wait', { 'retry-after': '0' }, 250],
    ['never more than an hour', { 'retry-after': '86400' }, 3_600_000],
    ['milliseconds win', { 'retry-after-ms': '700', 'retry-after': '20' }, 700],
    ['a span as Go writes it', { 'x-ratelimit-reset-requests': '1m2.5s' }, 62_500],
    ['milliseconds of a span', { 'x-ratelimit-reset-tokens': '320ms' }, 320],
    [
      'the limit that is used up',
      {
        'x-ratelimit-remaining-requests': '0',
        'x-ratelimit-reset-requests': '8s',
        'x-ratelimit-remaining-tokens': '500',
        'x-ratelimit-reset-tokens': '6m0s',
      },
      8_000,
    ],
    [
      'the longest, where none is known to be used up',
      { 'x-ratelimit-reset-requests': '1s', 'x-ratelimit-reset-tokens': '9s' },
      9_000,
    ],
    ['a point in time', { 'x-ratelimit-reset': String(now / 1_000 + 40) }, 40_000],
    ['a point in time in ms', { 'x-ratelimit-reset': String(now + 40_000) }, 40_000],
    ['nonsense', { 'retry-after': 'soon', 'x-ratelimit-reset-tokens': '5 apples' }, undefined],
    ['a negative number', { 'retry-after': '-5' }, undefined],
    ['no header', {}, undefined],
  ])('%s', (_what, responseHeaders, expected) => {
    const error = classifyProviderError(callError({ statusCode: 429, responseHeaders }), now);
    expect(error?.retryAfterMs).toBe(expected);
  });
});

describe('no answer', () => {
  test.each<[string, unknown]>([
    ['a refused connection', callError({ cause: { code: 'ECONNREFUSED' } })],
    ['a reset', Object.assign(new Error('read'), { code: 'ECONNRESET' })],
    [
      'a reset below fetch',
      new TypeError('fetch failed', {
        cause: Object.assign(new Error('other side closed'), { code: 'UND_ERR_SOCKET' }),
      }),
    ],
    ['a body that ends early', new TypeError('terminated')],
    ['a name that does not resolve', Object.assign(new Error('dns'), { code: 'ENOTFOUND' })],
    ['a timeout', named('TimeoutError')],
    ['an empty body', named('AI_EmptyResponseBodyError')],
  ])('%s is transient', (_what, error) => {
    expect(classifyProviderError(error)?.errorClass).toBe('transient');
  });
});

test.each(['AI_NoObjectGeneratedError', 'AI_TypeValidationError', 'AI_NoContentGeneratedError'])(
  '%s is an answer that does not fit',
  (name) => expect(classifyProviderError(named(name))?.errorClass).toBe('invalid_output'),
);

test('a missing key needs a person', () => {
  expect(classifyProviderError(named('AI_LoadAPIKeyError'))?.errorClass).toBe('auth');
});

test('an error that is already classified stays unchanged, also as a cause', () => {
  const known = new ProviderError('quota', 'q');
  expect(classifyProviderError(known)).toBe(known);
  expect(classifyProviderError(named('AI_RetryError', 'x', known))).toBe(known);
});

test('a bug is no outage', () => {
  expect(classifyProviderError(new TypeError('x is not a function'))).toBeUndefined();
  expect(classifyProviderError('thrown text')).toBeUndefined();
  expect(classifyProviderError(undefined)).toBeUndefined();
});

test('causes in a circle end', () => {
  const error = named('Error');
  error.cause = error;
  expect(classifyProviderError(error)).toBeUndefined();
});
