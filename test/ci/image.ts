// `node test/ci/image.ts` checks that the image would work, without a container engine: it copies and runs in folders what
// deploy/Dockerfile copies and runs, and starts the containers' commands there as another user. Exit code 1 if not.
import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { buildStages } from './image/build.ts';
import { environmentOf, execForm, parseDockerfile } from './image/dockerfile.ts';

const CONTEXT = resolve(import.meta.dirname, '../..');
const WORKERS = ['extraction', 'embedding', 'projection'];

const folder = mkdtempSync(join(tmpdir(), 'memfleet-image-'));
try {
  check(folder);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

function check(into: string): void {
  const stages = parseDockerfile(readFileSync(join(CONTEXT, 'deploy/Dockerfile'), 'utf8'));
  const final = stages.at(-1);
  if (final === undefined) throw new Error('the Dockerfile has no stage');
  console.log('image: copying and installing what the Dockerfile says');
  const app = buildStages(CONTEXT, stages, into).get(final) ?? '';
  // The image's own Node is on its PATH; ours may be where another user has no access.
  cpSync(process.execPath, join(into, 'bin', 'node'));
  chmodSync(into, 0o755);
  const entrypoint = execForm(final, 'ENTRYPOINT');
  const start = (args: readonly string[]): { code: number | null; text: string } => {
    const [command = '', ...first] = entrypoint;
    const { status, stdout, stderr, error } = spawnSync(command, [...first, ...args], {
      cwd: app,
      env: {
        PATH: [join(into, 'bin'), '/usr/bin', '/bin'].join(delimiter),
        ...environmentOf(final),
        // Ports that nobody listens on.
        NATS_URL: 'nats://127.0.0.1:1',
        DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
      },
      encoding: 'utf8',
      timeout: 60_000,
      // Not the owner of the files, as in the image: writing beside them fails.
      ...(process.getuid?.() === 0 ? { uid: 1_000, gid: 1_000 } : {}),
    });
    if (error !== undefined) throw error;
    return { code: status, text: `${stdout}${stderr}` };
  };
  const expect = (args: readonly string[], code: number, said: RegExp): void => {
    const result = start(args);
    const name = args.join(' ');
    if (result.code === code && said.test(result.text)) {
      console.log(`image: ${name}: ok`);
      return;
    }
    console.error(
      `image: ${name} ended with ${String(result.code)} instead of ${code}, or did not say ${said.source}:\n${result.text}`,
    );
    process.exitCode = 1;
  };
  expect(execForm(final, 'CMD'), 0, /Usage: memfleet/);
  expect(['provision'], 1, /127\.0\.0\.1:1/);
  expect(['health'], 1, /127\.0\.0\.1:8080/);
  // A worker that gets as far as its first connection has found everything it needs.
  for (const worker of WORKERS) expect(['worker', worker], 1, /DATABASE_UNREACHABLE/);
}
