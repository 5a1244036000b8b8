#!/usr/bin/env node
// The first thing that runs in a fresh clone: installs what is missing, finds a Node that is new enough, and hands
// over. Plain JavaScript for Node 18 and newer, with nothing installed.
import { delimiter, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ci } from './bootstrap/ci.mjs';
import { ensureDependencies } from './bootstrap/install.mjs';
import { chooseNode } from './bootstrap/node.mjs';
import { Problem } from './bootstrap/problem.mjs';
import { run } from './bootstrap/run.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..', '..');

// Standard output belongs to the command, which may print JSON there.
const say = (line) => process.stderr.write(`memfleet: ${line}\n`);

const modes = {
  memfleet: (node, env, args) => {
    const cli = join(root, 'workers', 'cli', 'src', 'main.ts');
    return start(node, [cli, ...args], whereTheUserStands(), env);
  },
  test: (node, env, args) => runTests('vitest.config.ts', node, env, args),
  'test:long': (node, env, args) => runTests('vitest.long.config.ts', node, env, args),
  'test:scale': (node, env, args) => runTests('vitest.scale.config.ts', node, env, args),
  ci: (_node, env) => ci(root, env),
};

function runTests(config, node, env, args) {
  const vitest = join(root, 'node_modules', 'vitest', 'vitest.mjs');
  return start(node, [vitest, 'run', '--config', join(root, 'test', config), ...args], root, env);
}

// npm changes to the repository before it runs a script; paths and state belong to the user's own folder.
function whereTheUserStands() {
  const movedByNpm = process.env.npm_lifecycle_event !== undefined && process.cwd() === root;
  return (movedByNpm && process.env.INIT_CWD) || process.cwd();
}

async function start(node, args, cwd, env) {
  const { code } = await run(node, args, { cwd, env });
  return code;
}

async function main([name, ...args]) {
  // The `memfleet` binary has no mode argument.
  const mode = Object.hasOwn(modes, name ?? '') ? name : 'memfleet';
  const rest = mode === name ? args : process.argv.slice(2);
  if (process.platform === 'win32') {
    throw new Problem('does not run directly on Windows: use WSL or the containers');
  }

  const installed = await ensureDependencies(root, say);
  if (installed !== 0) return installed;

  const node = chooseNode(root);
  const path = [dirname(node), join(root, 'node_modules', '.bin'), process.env.PATH].join(
    delimiter,
  );
  // Caches compiled source files with their types stripped: every process after the first starts in three quarters
  // of the time and with 20 MB less, since it need not load the stripper.
  const compiled = join(root, 'node_modules', '.cache', 'compiled');
  return modes[mode](node, { NODE_COMPILE_CACHE: compiled, ...process.env, PATH: path }, rest);
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof Problem)) throw error;
  say(error.message);
  process.exitCode = 1;
}
