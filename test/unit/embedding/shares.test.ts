import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FREE, shares, total } from '../../../workers/embedding/src/shares.ts';

test('the parts add up to the whole for any texts', () => {
  fc.assert(
    fc.property(
      fc.array(fc.string(), { minLength: 1, maxLength: 40 }),
      fc.nat(1_000_000),
      fc.double({ min: 0, max: 100, noNaN: true }),
      (texts, tokens, cost) => {
        const usage = { calls: 3, input_tokens: tokens, output_tokens: 7 };
        const parts = shares({ usage, cost_usd: cost, duration_ms: 12.5 }, texts);
        const sum = total(parts);
        expect(parts).toHaveLength(texts.length);
        expect(sum.usage).toEqual(usage);
        expect(sum.cost_usd).toBeCloseTo(cost, 6);
        expect(sum.duration_ms).toBeCloseTo(12.5, 6);
        for (const part of parts) {
          expect(part.usage.input_tokens).toBeGreaterThanOrEqual(0);
          expect(part.cost_usd).toBeGreaterThanOrEqual(0);
        }
      },
    ),
  );
});

test('longer texts get a larger share', () => {
  const usage = { calls: 1, input_tokens: 100, output_tokens: 0 };
  const parts = shares({ usage, cost_usd: 1, duration_ms: 1 }, ['a', 'bbb']);
  expect(parts.map((part) => part.usage.input_tokens)).toEqual([25, 75]);
});

test('an event counts as cached only when no call was made for any of its texts', () => {
  expect(total([FREE, FREE]).cached).toBe(true);
  expect(total([FREE, { ...FREE, cached: false }]).cached).toBe(false);
});
