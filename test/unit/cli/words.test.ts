import { expect, test } from 'vitest';
import { table } from '../../../workers/cli/src/table.ts';
import { usageLine } from '../../../workers/cli/src/usage.ts';
import {
  bytesInWords,
  durationInWords,
  grouped,
  printable,
  rateInWords,
} from '../../../workers/cli/src/words.ts';

test.each([
  [0, '0 s'],
  [0.0001, '1 ms'],
  [0.25, '250 ms'],
  [1, '1 s'],
  [59.6, '1 min'],
  [75, '1 min 15 s'],
  [3_600, '1 h'],
  [3_661, '1 h 1 min'],
  [90_000, '1 d 1 h'],
  [86_400 * 400, '400 d'],
])('%d seconds are %s', (seconds, words) => {
  expect(durationInWords(seconds)).toBe(words);
});

test('counts, sizes and rates are written in words', () => {
  expect(grouped(1_234_567)).toBe('1,234,567');
  expect(bytesInWords(512)).toBe('512 B');
  expect(bytesInWords(1_536)).toBe('1.5 KiB');
  expect(bytesInWords(5 * 1_024 ** 4)).toBe('5.0 TiB');
  expect(rateInWords(0)).toBe('0/s');
  expect(rateInWords(0.42)).toBe('0.4/s');
  expect(rateInWords(12_345.6)).toBe('12,346/s');
});

test('foreign text cannot steer the terminal', () => {
  expect(printable(' a\u001B[2Jb\r\nc\u009Bd\u202Ee ')).toBe('a [2Jb c d e');
});

test('a table is aligned and has no trailing blanks', () => {
  const columns = [
    { title: 'NAME', align: 'left' },
    { title: 'LAG', align: 'right' },
    { title: 'CAUSE', align: 'left' },
  ] as const;
  expect(
    table(columns, [
      ['extraction', '7', ''],
      ['x', '12,345', 'paused'],
    ]),
  ).toBe(
    ['NAME           LAG  CAUSE', 'extraction       7', 'x           12,345  paused'].join('\n'),
  );
});

test("commander's complaints become one sentence", () => {
  expect(usageLine("error: unknown command 'stauts'\n(Did you mean status?)\n")).toBe(
    "memfleet: unknown command 'stauts', did you mean status? See --help.\n",
  );
  expect(usageLine("error: missing required argument 'query'\n")).toBe(
    "memfleet: missing required argument 'query'. See --help.\n",
  );
  expect(usageLine("error: unknown option '--wach'\n(Did you mean one of --watch, --wash?)")).toBe(
    "memfleet: unknown option '--wach', did you mean one of --watch, --wash? See --help.\n",
  );
});
