import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { workerProgram } from '@memfleet/fleet';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { stringify } from 'yaml';
import { type CliFleet, createCliFleet, runCli } from '../integration/cli/run-cli.ts';
import { until } from '../support/until.ts';
import { WorkerProcess } from '../support/worker-process.ts';

/*
 * A team's own stage as a package: built, packed, installed outside of the clone, and added by one line of
 * configuration.
 */

const run = promisify(execFile);
const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SOURCE = join(ROOT, 'test/fixtures/summary-module');
const REFUSED = 'a text that the service refuses';

/** Each check runs a command, which takes seconds on a busy machine. */
const SLOW_MS = 120_000;
const LIMIT_MS = 300_000;

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memfleet-module-'));
  const build = join(folder, 'build');
  await mkdir(build);
  const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
  await run(process.execPath, [tsc, '-p', SOURCE, '--outDir', join(build, 'dist')]);
  await cp(join(SOURCE, 'package.json'), join(build, 'package.json'));
  const { stdout } = await run('npm', ['pack', '--json', '--pack-destination', folder], {
    cwd: build,
  });
  const [{ filename }] = JSON.parse(stdout) as [{ filename: string }];
  await rm(build, { recursive: true });
  await writeFile(join(folder, 'package.json'), '{ "private": true }');
  await run('npm', ['install', '--offline', '--no-audit', '--no-fund', join(folder, filename)], {
    cwd: folder,
  });
}, LIMIT_MS);

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
});

test('a packed module brings its event types and its stage', { timeout: LIMIT_MS }, async () => {
  await using service = await startSummaries();
  await using fleet = await createCliFleet({ provisioned: false });
  const config = await configured(fleet, {
    modules: ['summary-module'],
    stages: {
      summary: {
        maxAttempts: 2,
        provider: { kind: 'http', url: service.url, perMillionTokensUsd: 1_000 },
      },
    },
  });
  const env = { ...fleet.env, MEMFLEET_CONFIG: config, MEMFLEET_HEALTH_PORT: '0' };
  const memfleet = async (...args: string[]): Promise<string> => {
    const { code, stdout, stderr } = await fleet.run(args, { env });
    if (code !== 0) throw new Error(`memfleet ${args.join(' ')} ended with ${code}: ${stderr}`);
    return stdout;
  };
  const provisioned = await memfleet('provision');
  expect(provisioned).toContain('summary-ended');
  expect(provisioned).toContain('summary-redrive');

  await using worker = new WorkerProcess(workerProgram('summary'), env);
  await worker.ready();
  const lines = [
    ended('c1', { turns: [{ speaker: 'Ada', text: 'Hello.' }] }),
    ended('c2', { turns: [{ speaker: 'Ada', text: 'Hello.' }] }),
    // As an older publisher writes it: the module's upcaster reads it.
    { ...ended('c3', { turns: ['Hello.'] }), version: 1 },
    ended('c4', { turns: [{ speaker: 'Ada', text: REFUSED }] }),
  ];
  await memfleet('publish', await fleet.lines('ended.jsonl', lines));
  const status = async (): Promise<WorkerLine> => {
    const { workers } = JSON.parse(await memfleet('status', '--json')) as Status;
    return workers.find((line) => line.worker === 'summary') ?? { lagEvents: -1, deadLetters: -1 };
  };
  const settled = async (): Promise<boolean> => {
    const { lagEvents, deadLetters } = await status();
    return lagEvents === 0 && deadLetters === 1;
  };
  await until('all of it is summarised, or given up on', settled, SLOW_MS);

  const summaries = async (memory: string): Promise<string[]> => {
    const history = await memfleet('events', 'history', 'acme', memory, '--json');
    const events = history
      .trim()
      .split('\n')
      .map((line) => (JSON.parse(line) as { event: Summarised }).event);
    return events.flatMap(({ data }) => (data.summary === undefined ? [] : [data.summary]));
  };
  expect(await summaries('c1')).toEqual(['about: Ada: Hello.']);
  expect(await summaries('c2')).toEqual(['about: Ada: Hello.']);
  expect(await summaries('c3')).toEqual(['about: unknown: Hello.']);
  expect(await summaries('c4')).toEqual([]);
  // Equal conversations are paid for once.
  expect(service.texts.filter((text) => text === 'Ada: Hello.')).toHaveLength(1);
  const letters = await memfleet('dead-letters', 'list', '--stage', 'summary', '--json');
  expect(JSON.parse(letters)).toMatchObject({ reason: 'invalid_input', memory: 'c4' });

  // With the cause fixed, the letter is redriven.
  service.refuses = false;
  await memfleet('dead-letters', 'redrive', '--stage', 'summary');
  const isSummarised = async (): Promise<boolean> => (await summaries('c4')).length === 1;
  await until('it is summarised', isSummarised, SLOW_MS);

  // The other workers know the module's events: no lane halts at one of them.
  await using projections = new WorkerProcess(workerProgram('projection'), env);
  await projections.ready();
  await until('lineage has all of it', async () => {
    const { rows } = await fleet.database.pool.query<{ events: number }>(
      `select count(*)::int as events from memory.lineage where type like 'conversation.%'`,
    );
    return rows[0]?.events === 8;
  });
});

test.each([
  ['does-not-exist', /modules: does-not-exist \(from .*\): it cannot be loaded: /],
  ['no-module.mjs', /, did you mean \.\/no-module\.mjs\?/],
  ['./no-module.mjs', /it has no default export/],
  ['./throws.mjs', /it cannot be loaded: out of order/],
  ['./wrong.mjs', /stages\.0\.version: .*; stages\.0\.inputs\.all: must be <class>\.<verb>/],
  ['./taken.mjs', /the name of the stage extraction is taken/],
  [
    './fixture.mjs',
    /event type note\.kept reads its golden fixture "v1" as data other than it states/,
  ],
  ['./type-twice.mjs', /event type memory\.created is defined twice/],
])('of a module that cannot be used (%s) one sentence says why', async (specifier, expected) => {
  const stage = `{ name: 'x', version: 1, inputs: { all: 'content.*' }, provider: z.object({ kind: z.string() }), open() {} }`;
  const files = {
    'no-module.mjs': 'export const nothing = 1;',
    'throws.mjs': `throw new Error('out of order');`,
    'wrong.mjs': `import { z } from 'zod'; export default { stages: [{ ...${stage}, version: 0, inputs: { all: '*' } }] };`,
    'taken.mjs': `import { z } from 'zod'; export default { stages: [{ ...${stage}, name: 'extraction' }] };`,
    'fixture.mjs': `import { z } from 'zod'; const data = z.object({ a: z.string().default('x') }); export default { eventTypes: [{ type: 'note.kept', eventClass: 'content', summary: '', versions: { 1: data }, latest: data, upcasters: [], fixtures: [{ name: 'v1', version: 1, data: {}, latest: { a: 'y' } }] }] };`,
    'type-twice.mjs': `import { memoryCreated } from '@memfleet/events'; export default { eventTypes: [memoryCreated] };`,
    'fleet.yaml': stringify({ modules: [specifier] }),
  };
  const wrong = await mkdtemp(join(folder, 'wrong-'));
  for (const [name, text] of Object.entries(files)) await writeFile(join(wrong, name), text);
  // Modules are loaded before the servers are contacted.
  const { code, stderr } = await runCli(['provision', '--config', join(wrong, 'fleet.yaml')]);
  expect(stderr).toMatch(expected);
  expect(stderr.split('\n').length).toBeLessThan(6);
  expect(code).toBe(2);
});

interface Status {
  readonly workers: readonly (WorkerLine & { readonly worker: string })[];
}

interface WorkerLine {
  readonly lagEvents: number;
  readonly deadLetters: number;
}

interface Summarised {
  readonly data: { readonly summary?: string };
}

function ended(memory: string, data: object): Record<string, unknown> {
  return { type: 'conversation.ended', tenant: 'acme', memory, data };
}

/** The file of the fleet with some more settings, in the folder that the module is installed in. */
async function configured({ env }: CliFleet, settings: object): Promise<string> {
  const names = await readFile(env['MEMFLEET_CONFIG'] ?? '', 'utf8');
  const path = join(folder, 'fleet.yaml');
  await writeFile(path, `${names}\n${stringify(settings)}`);
  return path;
}

interface Summaries extends AsyncDisposable {
  readonly url: string;
  readonly texts: string[];
  refuses: boolean;
}

/** A service that is paid for each text, and refuses one of them. */
async function startSummaries(): Promise<Summaries> {
  const texts: string[] = [];
  const summaries = { texts, refuses: true };
  const server: Server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('end', () => {
      const { text } = JSON.parse(Buffer.concat(parts).toString()) as { text: string };
      texts.push(text);
      const isRefused = summaries.refuses && text.includes(REFUSED);
      response.writeHead(isRefused ? 400 : 200, { 'content-type': 'application/json' });
      response.end(
        JSON.stringify(
          isRefused
            ? { error: { code: 'content_policy', message: 'refused' } }
            : { summary: `about: ${text}`, tokens: 12 },
        ),
      );
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;
  return Object.assign(summaries, {
    url: `http://127.0.0.1:${port}/summaries`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => {
        server.close(resolve);
      });
    },
  });
}
