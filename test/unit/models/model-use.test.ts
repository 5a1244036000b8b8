import { Budget, faultOfUse, ProviderError } from '@memfleet/models';
import { expect, test } from 'vitest';
import { silent } from '../../support/stage.ts';

const USE = {
  usage: { calls: 1, input_tokens: 70, output_tokens: 30 },
  cost_usd: 0.5,
  duration_ms: 1,
  cached: false,
};

const WRONG = [Number.NaN, -1, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, '1', null];

test('a use with whole counts and finite amounts can be counted', () => {
  expect(faultOfUse(USE)).toBeUndefined();
  const free = { ...USE, cost_usd: 0, usage: { calls: 0, input_tokens: 0, output_tokens: 0 } };
  expect(faultOfUse(free)).toBeUndefined();
});

test.each(WRONG)('%s is neither a cost nor a number of tokens', (value) => {
  expect(faultOfUse({ ...USE, cost_usd: value })).toMatch(/^cost_usd is /);
  expect(faultOfUse({ ...USE, duration_ms: value })).toMatch(/^duration_ms is /);
  for (const name of ['calls', 'input_tokens', 'output_tokens']) {
    const use = { ...USE, usage: { ...USE.usage, [name]: value } };
    expect(faultOfUse(use)).toMatch(new RegExp(`^usage.${name} is `));
  }
});

test('half a token and no usage at all cannot be counted', () => {
  expect(faultOfUse({ ...USE, usage: { ...USE.usage, input_tokens: 0.5 } })).toBe(
    'usage.input_tokens is 0.5, not a whole number of 0 or more',
  );
  expect(faultOfUse({ cost_usd: 1 })).toBe('use has no usage');
  expect(faultOfUse(null)).toBe('use has no usage');
});

test('a failure of a service keeps its class although its cost is no amount', () => {
  const use = { ...USE, cost_usd: Number.NaN };
  for (const error of [
    new ProviderError('transient', 'down', { use }),
    new ProviderError('transient', 'down').withUse(use),
  ]) {
    expect(error.errorClass).toBe('transient');
    expect(error.message).toMatch(/^down \(its cost is not counted: cost_usd is NaN/);
    expect(error.takeUse()).toBeUndefined();
  }
});

test('neither an expected nor a real cost that is no amount changes what a budget knows', async () => {
  const nothing = { hourTokens: 0, hourUsd: 0, dayTokens: 0, dayUsd: 0 };
  const row = { tenant: '*', ...nothing, hourLeftMs: 3_600_000, dayLeftMs: 86_400_000 };
  const db = { query: async () => ({ rows: [row] }) } as unknown as ConstructorParameters<
    typeof Budget
  >[0]['db'];
  const budget = new Budget({ stage: 'test', config: { hourlyUsd: 2 }, db, log: silent });
  const one = { tokens: 0, usd: 1 };
  await expect(budget.reserve('acme', { tokens: 0, usd: Number.NaN })).rejects.toThrow(TypeError);
  await expect(budget.reserve('acme', { tokens: Number.NaN, usd: 1 })).rejects.toThrow(TypeError);
  (await budget.reserve('acme', one)).settle({ tokens: 0, usd: Number.NaN });
  // It counts as it was expected: one more fits, and a third does not.
  (await budget.reserve('acme', one)).settle(one);
  await expect(budget.reserve('acme', one)).rejects.toThrow(/has spent|may use up/);
});
