import { expect, test } from 'vitest';
import { ageOf } from '../../../workers/cli/src/dead-letters/age.ts';

test.each([
  ['0s', 0],
  ['30s', 30_000],
  ['15m', 900_000],
  ['2h', 7_200_000],
  ['90d', 7_776_000_000],
])('%s', (text, expected) => {
  expect(ageOf(text, '--older-than')).toBe(expected);
});

test.each(['', '5', 's', '-1s', '1.5h', '2 h', '2H', '1w', '99999999999s'])(
  '%j is none',
  (text) => {
    expect(() => ageOf(text, '--older-than')).toThrow(/--older-than must be an age like/);
  },
);
