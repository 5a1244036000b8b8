import { expect, test } from 'vitest';
import { createCliFleet, runCli } from './run-cli.ts';

test('stage pause and resume print the state, and status shows it', async () => {
  await using fleet = await createCliFleet();
  const text = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await fleet.run(args);
    expect([code, stderr]).toEqual([0, '']);
    return stdout;
  };
  const pause = ['stage', 'pause', 'extraction'];
  expect(await text(...pause, '--because', 'a test')).toBe('extraction is paused: a test\n');
  expect(await text(...pause, '--because', 'another')).toMatch(
    /^extraction is paused since \d{4}-.*Z: another\n$/,
  );
  const status = JSON.parse(await text('status', '--json')) as {
    readonly workers: readonly { readonly worker: string; readonly cause: string | null }[];
  };
  const causes = new Map(status.workers.map(({ worker, cause }) => [worker, cause]));
  expect(causes.get('extraction')).toMatch(
    /^no process reports; paused by an operator .*: another\. Resume it with `memfleet stage resume extraction`\.$/,
  );
  expect(causes.get('embedding')).toBe('no process reports');
  expect(await text('stage', 'resume', 'extraction')).toMatch(
    /^extraction is resumed; it was paused since \d{4}/,
  );
  expect(JSON.parse(await text('stage', 'resume', 'extraction', '--json'))).toEqual({
    stage: 'extraction',
    paused: false,
    wasPaused: false,
  });
});

test.each([
  [['stage', 'pause', 'extractoin'], 'unknown stage extractoin, did you mean extraction?'],
  [['worker', 'projektion'], 'unknown worker projektion, did you mean projection?'],
  [
    ['up', '--stage', 'summary=2'],
    'there is no worker summary; the workers of this fleet are: extraction',
  ],
  [['up', '--stage', '=2'], 'Say <name>=<n>'],
])('memfleet %j is wrong usage', async (args, expected) => {
  // The command reports it before it contacts the servers.
  const { code, stderr } = await runCli(args);
  expect(stderr).toContain(expected);
  expect(code).toBe(2);
});
