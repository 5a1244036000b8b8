import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { registry } from '@memfleet/events';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { connectTestBroker } from '../../support/broker.ts';
import { createLogStream, readLog } from '../../support/log-stream.ts';

const repository = resolve(import.meta.dirname, '../../..');
const consumerFiles = join(repository, 'test/fixtures/events/consumer');

/** A folder outside of the repository: nothing of it is found by walking up. */
let folder = '';
let consumer = '';
let installed = '';

interface Manifest {
  readonly name: string;
  readonly version: string;
  readonly engines: { readonly node: string };
  readonly dependencies: Readonly<Record<string, string>>;
  readonly [field: string]: unknown;
}

/** The package as a consumer gets it: built, packed and unpacked, its dependencies beside it. */
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'memfleet-package-'));
  consumer = join(folder, 'consumer');
  installed = join(consumer, 'node_modules/@memfleet/events');
  const build = join(folder, 'build');
  run(process.execPath, [join(repository, 'shared/events/build.ts'), build]);
  run('npm', ['pack', build, '--pack-destination', folder, '--ignore-scripts', '--offline']);
  const tarball = readdirSync(folder).find((name) => name.endsWith('.tgz')) ?? '';
  mkdirSync(installed, { recursive: true });
  run('tar', ['-xzf', join(folder, tarball), '-C', installed, '--strip-components=1']);
  // The dependencies are those of the repository, so that the test needs no registry.
  const own = join(repository, 'shared/events');
  for (const name of Object.keys(manifest().dependencies)) link(name, own);
  link('@types/node', repository);
  // They are not called .ts where they are kept: they are no sources of the repository.
  for (const name of readdirSync(consumerFiles)) {
    cpSync(join(consumerFiles, name), join(consumer, name.replace(/\.txt$/, '')));
  }
  writeFileSync(join(consumer, 'package.json'), JSON.stringify({ type: 'module', private: true }));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function manifest(): Manifest {
  return JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8')) as Manifest;
}

/** Puts a package of the repository into the consumer's node_modules, as `from` would find it. */
function link(name: string, from: string): void {
  const own = join(from, 'node_modules', name);
  const target = existsSync(own) ? own : join(repository, 'node_modules', name);
  const path = join(consumer, 'node_modules', name);
  mkdirSync(dirname(path), { recursive: true });
  symlinkSync(target, path, 'dir');
}

function run(command: string, args: readonly string[], env: NodeJS.ProcessEnv = {}): string {
  const result = tried(command, args, env);
  if (result.status !== 0) {
    throw new Error(`${command} ${args.join(' ')}: ${result.stdout}${result.stderr}`);
  }
  return result.stdout;
}

function tried(
  command: string,
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): SpawnSyncReturns<string> {
  const cwd = existsSync(consumer) ? consumer : folder;
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...process.env, ...env },
  });
  if (result.error !== undefined) throw result.error;
  return result;
}

/** The repository's compiler over one of the consumer's files. */
function compile(file: string, ...options: readonly string[]): SpawnSyncReturns<string> {
  const tsc = join(repository, 'node_modules/typescript/bin/tsc');
  const target = ['--target', 'es2023', '--module', 'nodenext', '--types', 'node'];
  const strict = ['--noEmit', '--strict', '--noUncheckedIndexedAccess'];
  const args = [tsc, ...target, ...strict, ...options, '--pretty', 'false', file];
  return tried(process.execPath, args);
}

describe('the tarball', () => {
  test('holds JavaScript and declarations, the licence and the README, and nothing else', () => {
    const files = readdirSync(installed, { recursive: true, encoding: 'utf8' });
    const top = readdirSync(installed).toSorted();
    expect(top).toEqual(['LICENSE', 'README.md', 'lib', 'package.json']);
    const inLib = files.filter((name) => name.startsWith('lib/') && name.includes('.'));
    expect(inLib.every((name) => /\.(js|d\.ts)$/.test(name))).toBe(true);
    expect(inLib.filter((name) => name.endsWith('.js'))).toHaveLength(
      inLib.filter((name) => name.endsWith('.d.ts')).length,
    );
    for (const name of inLib) {
      expect(readFileSync(join(installed, name), 'utf8')).not.toMatch(/from '\.[^']*\.ts'/);
    }
  });

  test('asks for what the package needs, pinned, and for no workspace', () => {
    const { name, dependencies, exports, private: isPrivate } = manifest();
    expect(name).toBe('@memfleet/events');
    expect(isPrivate).toBeUndefined();
    expect(Object.keys(dependencies).toSorted()).toEqual([
      '@nats-io/jetstream',
      '@nats-io/transport-node',
      'uuid',
      'zod',
    ]);
    for (const version of Object.values(dependencies)) expect(version).toMatch(/^\d+\.\d+\.\d+$/);
    expect(exports).toEqual({ '.': { types: './lib/index.d.ts', default: './lib/index.js' } });
  });

  test('a build refuses a folder that is not its own', () => {
    const script = join(repository, 'shared/events/build.ts');
    const { status, stderr } = tried(process.execPath, [script, consumer]);
    expect(status).toBe(1);
    expect(stderr).toMatch(/is not a build of @memfleet\/events; name another folder/);
    expect(existsSync(join(consumer, 'upstream.mjs'))).toBe(true);
  });
});

test('an upstream publisher in JavaScript appends to the log', async () => {
  await using broker = await connectTestBroker();
  const log = await createLogStream(broker.connection);
  const env = { NATS_URL: inject('natsUrl'), LOG_STREAM: log.stream, LOG_ROOT: log.root };
  const output = run(process.execPath, ['upstream.mjs'], env);
  expect(JSON.parse(output)).toEqual({
    sequences: [1, 1],
    duplicates: [false, true],
    kind: 'known',
    data: {
      content: 'Ada prefers tea to coffee.',
      kind: 'note',
      scope: {},
      attribution: { role: 'unknown' },
      valid_from: expect.stringMatching(/Z$/) as unknown,
      importance: 0.5,
    },
    refused: {
      code: 'EVENT_INVALID',
      hint: expect.stringMatching(/mend the named fields/) as unknown,
    },
  });
  const stored = await readLog(broker.connection, log);
  expect(
    stored.map(({ subject, bytes }) => registry.decode(bytes, { root: log.root, subject }).kind),
  ).toEqual(['known']);
});

describe('a consumer in TypeScript', () => {
  test('compiles strictly, declarations of the package and of its dependencies included', () => {
    const { status, stdout } = compile('right.ts', '--skipLibCheck', 'false');
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });

  test('is told of each wrong use, and of nothing else', () => {
    const lines = readFileSync(join(consumer, 'wrong.ts'), 'utf8').split('\n');
    const wrong = lines.flatMap((line, index) => (line.includes('// wrong:') ? [index + 1] : []));
    const { status, stdout } = compile(
      'wrong.ts',
      '--skipLibCheck',
      '--exactOptionalPropertyTypes',
    );
    expect(status).not.toBe(0);
    const told = [...stdout.matchAll(/^wrong\.ts\((\d+),/gm)].map(([, line]) => Number(line));
    expect([...new Set(told)]).toEqual(wrong);
    expect(wrong.length).toBeGreaterThan(5);
  });
});
