import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Occurrences } from '../../../workers/cli/src/publish/occurrences.ts';

test('counts every text separately, even when its table grows', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 3_000 }), { maxLength: 8_000 }), (numbers) => {
      const occurrences = new Occurrences();
      const expected = new Map<number, number>();
      for (const number of numbers) {
        const count = (expected.get(number) ?? 0) + 1;
        expected.set(number, count);
        if (occurrences.count(`text ${number}`) !== count) return false;
      }
      return true;
    }),
    { numRuns: 20 },
  );
  const occurrences = new Occurrences();
  for (let number = 0; number < 20_000; number += 1) {
    expect(occurrences.count(String(number))).toBe(1);
  }
  for (let number = 0; number < 20_000; number += 1) {
    expect(occurrences.count(String(number))).toBe(2);
  }
});
