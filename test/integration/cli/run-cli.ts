import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { provisionFleet, type BuiltInConfig } from '@memfleet/fleet';
import { stringify } from 'yaml';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';

const MAIN = fileURLToPath(new URL('../../../workers/cli/src/main.ts', import.meta.url));

/** Nothing of the environment but the path, and the folder of Node's compile cache. */
const PLAIN = {
  PATH: process.env['PATH'],
  NODE_COMPILE_CACHE: process.env['NODE_COMPILE_CACHE'],
};

export interface Finished {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly input?: string | Buffer;
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly cwd?: string;
}

/** The real binary as a child, with nothing of the environment but the path. */
export function startCli(args: readonly string[], { env, cwd }: RunOptions = {}) {
  return spawn(process.execPath, [MAIN, ...args], {
    cwd,
    env: { ...PLAIN, HOME: tmpdir(), ...env },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
}

export async function runCli(args: readonly string[], options: RunOptions = {}): Promise<Finished> {
  const child = startCli(args, options);
  let stdout = '';
  let stderr = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (stdout += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (stderr += text));
  // A command that ends before it has read its input is judged by its exit code.
  child.stdin.on('error', () => undefined);
  child.stdin.end(options.input ?? '');
  const code = await new Promise<number | null>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', resolve);
  });
  return { code, stdout, stderr };
}

/** A test's own fleet: its streams' names in a config file, a database, a folder for files. */
export interface CliFleet extends AsyncDisposable {
  readonly config: BuiltInConfig;
  readonly broker: TestBroker;
  readonly database: TestDatabase;
  readonly folder: string;
  readonly env: Readonly<Record<string, string>>;
  run(args: readonly string[], options?: RunOptions): Promise<Finished>;
  /** Writes a file of lines; values that are no text are written as JSON. */
  lines(name: string, lines: readonly unknown[]): Promise<string>;
}

export async function createCliFleet(
  options: { readonly provisioned?: boolean; readonly settings?: Record<string, string> } = {},
): Promise<CliFleet> {
  const flags = { ...uniqueNames(), ...options.settings };
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-cli-'));
  const configFile = join(folder, 'fleet.yaml');
  await writeFile(configFile, stringify(nested(flags)));
  const [broker, database] = await Promise.all([connectTestBroker(), createTestDatabase()]);
  const env = {
    NATS_URL: broker.url,
    DATABASE_URL: database.url,
    MEMFLEET_CONFIG: configFile,
    MEMFLEET_STATE: join(folder, 'state'),
  };
  const run = (args: readonly string[], how: RunOptions = {}): Promise<Finished> =>
    runCli(args, { cwd: folder, ...how, env: { ...env, ...how.env } });
  const config = testSettings(flags);
  if (options.provisioned !== false) {
    await provisionFleet({ config, jsm: broker.jsm, pool: database.pool });
  }
  return {
    config,
    broker,
    database,
    folder,
    env,
    run,
    async lines(name, content) {
      const path = join(folder, name);
      const texts = content.map((line) => (typeof line === 'string' ? line : JSON.stringify(line)));
      await writeFile(path, texts.map((text) => `${text}\n`).join(''));
      return path;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all([broker[Symbol.asyncDispose](), database[Symbol.asyncDispose]()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

type Tree = { [key: string]: string | Tree };

/** { 'log.stream': 'X' } → { log: { stream: 'X' } } */
function nested(flags: Readonly<Record<string, string>>): Tree {
  const tree: Tree = {};
  for (const [path, value] of Object.entries(flags)) {
    const keys = path.split('.');
    const last = keys.pop() ?? '';
    let here = tree;
    for (const key of keys) {
      const next = here[key];
      const child: Tree = typeof next === 'object' ? next : {};
      here[key] = child;
      here = child;
    }
    here[last] = value;
  }
  return tree;
}
