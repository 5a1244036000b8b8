import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { type CliFleet, createCliFleet, startCli } from '../integration/cli/run-cli.ts';
import { uniqueNames } from '../support/settings.ts';
import { until } from '../support/until.ts';

const PAGE = new URL('../../docs/stages.md', import.meta.url);

/** The test starts a fleet and runs commands, which take seconds each on a busy machine. */
const LIMIT_MS = 300_000;
const SLOW_MS = 120_000;

/** ```lang … ``` */
const BLOCK = /^```(?<language>\w+)\n(?<text>.*?)^```$/gms;
/** The first line of a block that is a file names it. */
const FILE = /^(?:\/\/|#) (?<name>[\w.-]+)\n/;

test('docs/stages.md can be followed word by word', { timeout: LIMIT_MS }, async () => {
  const page = await readFile(PAGE, 'utf8');
  const blocks = [...page.matchAll(BLOCK)].map(({ groups }) => groups ?? {});
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-page-'));
  await using fleet = await createCliFleet({ provisioned: false });
  const env = environmentOf(fleet);
  const ended: Promise<unknown>[] = [];
  try {
    const files = blocks.flatMap(({ text = '' }) => {
      const name = FILE.exec(text)?.groups?.['name'];
      return name === undefined ? [] : [[name, text.replace(FILE, '')] as const];
    });
    for (const [name, text] of files) await writeFile(join(folder, name), text);
    const commands = blocks
      .filter(({ language }) => language === 'console')
      .flatMap(({ text = '' }) => text.trim().split('\n'))
      .map((line) => line.replace(/^\$ memfleet /, '').split(' '));
    const [up = [], ...others] = commands;
    expect([files.map(([name]) => name), up[0], others.map(([name]) => name)]).toEqual([
      ['summary.mjs', 'fleet.yaml', 'ended.jsonl'],
      'up',
      ['publish', 'status', 'events'],
    ]);

    const running = startCli(up, { cwd: folder, env });
    ended.push(once(running, 'close'));
    let said = '';
    running.stdout.on('data', (data: Buffer) => (said += data.toString()));
    running.stderr.on('data', (data: Buffer) => (said += data.toString()));
    try {
      const isReady = (): boolean => {
        if (running.exitCode !== null) throw new Error(said);
        return said.includes('The fleet is ready');
      };
      await until('the fleet is ready', isReady, SLOW_MS);
      const run = async (args: readonly string[]): Promise<string> => {
        const { code, stdout, stderr } = await fleet.run(args, { cwd: folder, env });
        expect([code, stderr]).toEqual([0, expect.not.stringContaining('memfleet: ')]);
        return stdout;
      };
      const [publish = [], status = [], events = []] = others;
      expect(await run(publish)).toContain('published 2');
      expect(await run(status)).toMatch(/^summary /m);
      const isSummarised = async (): Promise<boolean> =>
        (await run(events)).includes('conversation.summarised');
      await until('it is summarised', isSummarised, SLOW_MS);
      // Five words, as the file of settings says.
      expect(await run([...events, '--json'])).toContain('"summary":"Is the deploy on Friday"');
    } finally {
      running.kill('SIGINT');
      await Promise.all(ended);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

/** The servers of the tests, and names of streams that no other test has. */
function environmentOf({ env }: CliFleet): Record<string, string> {
  const { NATS_URL = '', DATABASE_URL = '' } = env;
  const names = Object.entries(uniqueNames()).map(([path, value]) => {
    const variable = path.replaceAll('.', '_').replaceAll(/([A-Z])/g, '_$1');
    return [`MEMFLEET_${variable.toUpperCase()}`, value] as const;
  });
  return { NATS_URL, DATABASE_URL, ...Object.fromEntries(names) };
}
