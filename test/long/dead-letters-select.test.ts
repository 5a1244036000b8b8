import { findLetter, type LetterFilter, park } from '@memfleet/stages';
import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  createDeadLetterBench,
  type DeadLetterBench,
  type ListedLetter,
  parkAll,
} from '../integration/dead-letters/bench.ts';
import { memoryCreated } from '../support/events.ts';

let bench: DeadLetterBench;

const BAD_INPUT = 'bad input';

/** Letters 1 to 4 of acme, 5 and 6 of another tenant; 2, 4 and 6 for another reason. */
beforeAll(async () => {
  bench = await createDeadLetterBench();
  const event = (tenant: string, memory: string, content: string) =>
    memoryCreated(content, { tenant, memory });
  const handle: Parameters<typeof parkAll>[2] = async ({ data }) =>
    park(
      'content' in data && data.content === BAD_INPUT ? 'invalid_input' : 'invalid_output',
      'no',
    );
  for (const one of [
    event('acme', 'm-1', 'good'),
    event('acme', 'm-1', BAD_INPUT),
    event('acme', 'm-2', 'good'),
    event('acme', 'm-2', BAD_INPUT),
    event('other', 'm-1', 'good'),
    event('other', 'm-1', BAD_INPUT),
  ]) {
    await parkAll(bench, [one], handle);
  }
});
afterAll(async () => {
  await bench[Symbol.asyncDispose]();
});

const ids = (letters: readonly ListedLetter[]): number[] => letters.map(({ id }) => id);

test.each<[string[], number[]]>([
  [[], [1, 2, 3, 4, 5, 6]],
  [
    ['--stage', 'extraction'],
    [1, 2, 3, 4, 5, 6],
  ],
  [['--stage', 'embedding'], []],
  [
    ['--tenant', 'acme'],
    [1, 2, 3, 4],
  ],
  [
    ['--memory', 'm-1'],
    [1, 2, 5, 6],
  ],
  [
    ['--tenant', 'acme', '--memory', 'm-1'],
    [1, 2],
  ],
  [
    ['--reason', 'invalid_input'],
    [2, 4, 6],
  ],
  [
    ['--reason', 'invalid_input', '--limit', '2'],
    [2, 4],
  ],
  [['--tenant', 'other', '--reason', 'invalid_output'], [5]],
  [
    ['--newer-than', '1h'],
    [1, 2, 3, 4, 5, 6],
  ],
  [['--older-than', '1h'], []],
  [['--newer-than', '0s'], []],
  [
    ['--older-than', '0s'],
    [1, 2, 3, 4, 5, 6],
  ],
])('list %j', async (filters, expected) => {
  expect(ids(await bench.letters(...filters))).toEqual(expected);
});

test('a time separates letters parked before it from letters parked since', async () => {
  const { jsm } = bench.fleet.broker;
  const fifth = await findLetter(jsm, bench.fleet.config, 5);
  if (fifth === undefined) throw new Error('no letter');
  const found = async (filter: LetterFilter): Promise<number[]> => {
    const letters = await bench.stored(filter);
    return letters.map(({ id }) => id);
  };
  expect(await found({ parkedBefore: fifth.parkedAt })).toEqual([1, 2, 3, 4]);
  expect(await found({ parkedAfter: fifth.parkedAt })).toEqual([5, 6]);
  const after = { parkedAfter: fifth.parkedAt, tenant: 'other', reason: 'invalid_input' };
  expect(await found(after)).toEqual([6]);
});

test('for people: one line each under a heading, and the number', async () => {
  const { code, stdout, stderr } = await bench.cli('list', '--tenant', 'other');
  expect(code).toBe(0);
  const [heading, first, second, ...rest] = stdout.trimEnd().split('\n');
  expect(heading).toMatch(/^ +id {2}parked at +stage +reason +tries {2}memory +message$/);
  expect(first).toMatch(/^ +5 {2}\S+Z {2}extraction {2}invalid_output +1 {2}other\/m-1 +no$/);
  expect(second).toMatch(/^ +6 /);
  expect(rest).toEqual([]);
  expect(stderr).toBe('2 dead letters\n');
});

test('a dry run says what would happen, and changes nothing', async () => {
  const before = await bench.letters();
  const [redrive, discard, inJson] = await Promise.all([
    bench.cli('redrive', '--all', '--dry-run'),
    bench.cli('discard', '--tenant', 'other', '--dry-run', '--because', 'a trial'),
    bench.cli('redrive', '1', '2', '--dry-run', '--json'),
  ]);
  expect(redrive).toMatchObject({
    code: 0,
    stdout: 'would redrive 6 (invalid_output 3, invalid_input 3), cannot redrive 0\n',
  });
  expect(discard).toMatchObject({
    code: 0,
    stdout: 'would discard 2 (invalid_output 1, invalid_input 1)\n',
  });
  expect(JSON.parse(inJson.stdout)).toMatchObject({ dryRun: true, redriven: 2 });
  expect(await bench.letters()).toEqual(before);
  expect(await bench.queued()).toBe(0);
  const rows = await bench.work();
  expect(rows.every(({ state, reason }) => state === 'parked' && !reason?.includes('trial'))).toBe(
    true,
  );
});

test.each<[string[], RegExp]>([
  [['list', '--stage', 'extractoin'], /unknown stage extractoin, did you mean extraction\?/],
  [['list', '--reason', 'nonsense'], /unknown reason nonsense, it is one of invalid_event, /],
  [['list', '--tenant', '*'], /the tenant must be 1 to 64 letters/],
  [['list', '--newer-than', '2'], /--newer-than must be an age like/],
  [['list', '--limit', '0'], /whole number/],
  [['show', 'x'], /whole number/],
  [['redrive'], /choose dead letters by ids, by filters, or with --all/],
  [['redrive', '1', '--all'], /either ids or filters/],
  [['redrive', '1', 'x'], /whole number/],
  [['redrive', '--all', '--rate', '0'], /whole number/],
  [['discard', '1', '--yes'], /--because/],
  [['discard', '1', '--because', ' ', '--yes'], /say why/],
  [['discard', '--yes', '--because', 'a trial'], /choose dead letters by ids/],
  [
    ['discard', '--all', '--because', 'a trial'],
    /there is no terminal to ask for confirmation; add --yes/,
  ],
])('%j is wrong usage', async (args, complaint) => {
  const { code, stdout, stderr } = await bench.cli(...args);
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  expect(stderr).toMatch(complaint);
});

test('missing ids are reported, the others are processed', async () => {
  const { code, stderr, stdout } = await bench.cli('redrive', '6', '77', '78', '--json');
  expect(code).toBe(1);
  expect(stderr).toContain('there are no dead letters 77, 78 (any more)');
  expect(JSON.parse(stdout)).toMatchObject({ redriven: 1 });
  expect(await bench.ids()).toEqual([1, 2, 3, 4, 5]);
  const shown = await bench.cli('show', '77');
  expect(shown).toMatchObject({ code: 1, stdout: '' });
  expect(shown.stderr).toContain('there is no dead letter 77');
});
