import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { PROVIDER_ERROR_CLASSES } from '@memfleet/models';
import { expect, test } from 'vitest';
import { type CliFleet, createCliFleet, runCli, startCli } from '../integration/cli/run-cli.ts';
import { blocksOf, filesOf } from '../support/page-blocks.ts';
import { uniqueNames } from '../support/settings.ts';
import { until } from '../support/until.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = join(ROOT, 'docs/stages.md');

/** The test starts a fleet and runs commands, which take seconds each on a busy machine. */
const LIMIT_MS = 300_000;
const SLOW_MS = 120_000;

test('docs/stages.md can be followed word by word', { timeout: LIMIT_MS }, async () => {
  const page = await readFile(PAGE, 'utf8');
  const blocks = blocksOf(page);
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-page-'));
  await using fleet = await createCliFleet({ provisioned: false });
  const env = environmentOf(fleet);
  const ended: Promise<unknown>[] = [];
  try {
    const files = filesOf(blocks);
    for (const [name, text] of files) await writeFile(join(folder, name), text);
    const commands = blocks
      .filter(({ language }) => language === 'console')
      .flatMap(({ text }) => text.trim().split('\n'))
      .map((line) => line.replace(/^\$ memfleet /, '').split(' '));
    const [up = [], ...others] = commands;
    expect([files.map(([name]) => name), up[0], others.map(([name]) => name)]).toEqual([
      ['summary.mjs', 'fleet.yaml', 'ended.jsonl', 'paid.ts', 'paid.yaml'],
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

test('its samples type-check, and load as modules', { timeout: LIMIT_MS }, async () => {
  // Below the repository, where the compiler finds the packages of the fleet.
  await mkdir(join(ROOT, '.memfleet'), { recursive: true });
  const folder = await mkdtemp(join(ROOT, '.memfleet', 'page-'));
  try {
    const files = filesOf(blocksOf(await readFile(PAGE, 'utf8')));
    for (const [name, text] of files) await writeFile(join(folder, name), text);
    const settings = {
      extends: '../../tsconfig.json',
      compilerOptions: { allowJs: true, checkJs: true },
      include: ['*.ts', '*.mjs'],
      exclude: [],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify(settings));
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const compiled = promisify(execFile)(process.execPath, [
      tsc,
      '-p',
      folder,
      '--pretty',
      'false',
    ]);
    const refusals = await compiled.then(
      ({ stdout }) => stdout,
      (error: unknown) => (error as { readonly stdout: string }).stdout,
    );
    expect(refusals).toBe('');
    for (const config of ['fleet.yaml', 'paid.yaml']) {
      const { code, stderr } = await runCli(['provision', '--config', config], { cwd: folder });
      // Without servers; a module or a setting that is refused ends the command before, with 2.
      expect([code, stderr]).toEqual([1, expect.stringContaining('no DATABASE_URL is set')]);
    }
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

test('it has every class of provider errors', async () => {
  const rows = (await readFile(PAGE, 'utf8')).split('\n').filter((line) => line.startsWith('| `'));
  for (const errorClass of PROVIDER_ERROR_CLASSES) {
    expect(rows.filter((row) => row.includes(`\`${errorClass}\``))).toHaveLength(1);
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
