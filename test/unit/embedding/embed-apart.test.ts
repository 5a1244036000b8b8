import { ProviderError, type ProviderErrorClass } from '@memfleet/models';
import { describe, expect, test } from 'vitest';
import { embedApart } from '../../../workers/embedding/src/embed-apart.ts';

/** A service that rejects any call with one of these texts, and counts its calls. */
function serviceThatRejects(bad: ReadonlySet<string>, errorClass: ProviderErrorClass) {
  const calls: (readonly string[])[] = [];
  return {
    calls,
    call: (texts: readonly string[]) => {
      calls.push(texts);
      if (texts.some((text) => bad.has(text))) {
        return Promise.reject(new ProviderError(errorClass, 'rejected'));
      }
      return Promise.resolve({
        vectors: texts.map((text) => Float32Array.of(Number(text), 1)),
        usage: { calls: 1, input_tokens: texts.length * 3, output_tokens: 0 },
        costUsd: texts.length * 0.01,
      });
    },
  };
}
const textsUpTo = (count: number): string[] => Array.from({ length: count }, (_, n) => String(n));
const outcomes = (attempts: Awaited<ReturnType<typeof embedApart>>): (number | 'failed')[] =>
  attempts.map((attempt) => (attempt.ok ? (attempt.vector[0] ?? Number.NaN) : 'failed'));

test('a batch without a fault is one call, divided among its texts', async () => {
  const service = serviceThatRejects(new Set(), 'invalid_output');
  const attempts = await embedApart(service.call, textsUpTo(7));
  expect(outcomes(attempts)).toEqual([0, 1, 2, 3, 4, 5, 6]);
  const uses = attempts.flatMap((attempt) => (attempt.ok ? [attempt.use] : []));
  expect(uses.reduce((sum, { usage }) => sum + usage.calls, 0)).toBe(1);
  expect(uses.reduce((sum, { usage }) => sum + usage.input_tokens, 0)).toBe(21);
  expect(uses.reduce((sum, use) => sum + use.cost_usd, 0)).toBeCloseTo(0.07, 12);
});

describe.each(['invalid_output', 'invalid_input'] as const)('%s', (errorClass) => {
  test.each([0, 31, 32, 63])(
    'faulty text %i of 64 is found, its neighbours keep their vectors',
    async (bad) => {
      const service = serviceThatRejects(new Set([String(bad)]), errorClass);
      const attempts = await embedApart(service.call, textsUpTo(64));
      expect(outcomes(attempts)).toEqual(textsUpTo(64).map((_, n) => (n === bad ? 'failed' : n)));
      expect(attempts[bad]).toMatchObject({ ok: false, error: { errorClass } });
      // One for all of them, and one further round.
      expect(service.calls.map((texts) => texts.length)).toEqual([
        64,
        ...textsUpTo(64).map(() => 1),
      ]);
      const uses = attempts.flatMap((item) => (item.ok ? [item.use] : []));
      expect(uses.reduce((sum, { usage }) => sum + usage.calls, 0)).toBe(64);
      expect(uses.reduce((sum, { usage }) => sum + usage.input_tokens, 0)).toBe(63 * 3);
    },
  );
});

test('a rejected call that was paid for is accounted for, once', async () => {
  const spent = { usage: { calls: 1, input_tokens: 9, output_tokens: 0 }, cost_usd: 0.5 };
  const use = { ...spent, duration_ms: 1, cached: false };
  const attempts = await embedApart(
    () => Promise.reject(new ProviderError('invalid_output', 'zeros').withUse(use)),
    ['0', '1'],
  );
  const uses = attempts.map((item) =>
    !item.ok && item.error instanceof ProviderError ? item.error.use : undefined,
  );
  expect(uses).toMatchObject([
    { usage: { calls: 2, input_tokens: 18 }, cost_usd: 1 },
    { usage: { calls: 1, input_tokens: 9 }, cost_usd: 0.5 },
  ]);
});

test('several bad texts are distinguished', async () => {
  const bad = new Set(['3', '4', '40']);
  const service = serviceThatRejects(bad, 'invalid_output');
  const attempts = await embedApart(service.call, textsUpTo(64));
  expect(outcomes(attempts)).toEqual(textsUpTo(64).map((t, n) => (bad.has(t) ? 'failed' : n)));
});

test.each(['transient', 'rate_limited', 'quota', 'auth'] as const)(
  '%s is nobody’s fault: one call, and every text fails with it',
  async (errorClass) => {
    const service = serviceThatRejects(new Set(['5']), errorClass);
    const attempts = await embedApart(service.call, textsUpTo(64));
    expect(service.calls).toHaveLength(1);
    expect(attempts).toHaveLength(64);
    for (const attempt of attempts) expect(attempt).toMatchObject({ error: { errorClass } });
  },
);

test('an outage among the calls for single texts keeps what is there and ends them', async () => {
  const service = serviceThatRejects(new Set(['60']), 'invalid_output');
  let count = 0;
  const attempts = await embedApart((texts) => {
    count += 1;
    return count > 17
      ? Promise.reject(new ProviderError('transient', 'down'))
      : service.call(texts);
  }, textsUpTo(64));
  // Only the calls that were in progress when the first of them failed.
  expect(count).toBeLessThanOrEqual(17 + 8);
  expect(outcomes(attempts).slice(0, 16)).toEqual(textsUpTo(16).map(Number));
  for (const attempt of attempts.slice(16)) {
    expect(attempt).toMatchObject({ ok: false, error: { errorClass: 'transient' } });
  }
});

test('a service that rejects everything is not called for every text, and no unsent text is blamed', async () => {
  const service = serviceThatRejects(new Set(textsUpTo(64)), 'invalid_input');
  const attempts = await embedApart(service.call, textsUpTo(64));
  const asked = service.calls.length - 1;
  expect(asked).toBeLessThanOrEqual(15);
  const classes = attempts.map((item) =>
    !item.ok && item.error instanceof ProviderError ? item.error.errorClass : 'none',
  );
  expect(classes).toEqual([
    ...textsUpTo(asked).map(() => 'invalid_input'),
    ...textsUpTo(64 - asked).map(() => 'transient'),
  ]);
});

test('our own bug is not mistaken for a bad text', async () => {
  let count = 0;
  const attempts = await embedApart(() => {
    count += 1;
    return Promise.reject(new TypeError('a bug'));
  }, textsUpTo(8));
  expect(count).toBe(1);
  expect(attempts[7]).toMatchObject({ ok: false, error: { name: 'TypeError' } });
});
