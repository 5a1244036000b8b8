import { afterAll, beforeAll, expect, test } from 'vitest';
import { parseTime } from '../../../workers/cli/src/parse-time.ts';

const { TZ } = process.env;
beforeAll(() => {
  process.env['TZ'] = 'America/New_York';
});
afterAll(() => {
  if (TZ === undefined) delete process.env['TZ'];
  else process.env['TZ'] = TZ;
});

test.each([
  ['2026-03-01', '2026-03-01T00:00:00.000Z'],
  ['2026-03-01T12:00', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01 12:00:30', '2026-03-01T12:00:30.000Z'],
  ['2026-03-01T12:00:00Z', '2026-03-01T12:00:00.000Z'],
  ['2026-03-01T12:00:00+02:00', '2026-03-01T10:00:00.000Z'],
  ['2026-03-01T12:00:00-0130', '2026-03-01T13:30:00.000Z'],
])('%s is %s, in whatever zone the machine is', (text, time) => {
  expect(parseTime(text)?.toISOString()).toBe(time);
});

test.each([
  '',
  '1',
  '2026',
  'yesterday',
  '2026-13-01',
  '2026-02-30',
  '2026-03-01T25:00',
  'March 1, 2026',
])('neither a day nor a time: "%s"', (text) => {
  expect(parseTime(text)).toBeUndefined();
});
