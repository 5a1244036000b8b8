// Installs the dependencies if, and only if, they differ from package-lock.json.
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { tryLock } from './lock.mjs';
import { Problem } from './problem.mjs';
import { run } from './run.mjs';

/** Makes sure that node_modules below `root` matches package-lock.json. Resolves to 0, or to an exit code. */
export async function ensureDependencies(root, say) {
  const wanted = fingerprint(root);
  if (isCurrent(root, wanted)) return 0;

  mkdirSync(join(root, '.memfleet'), { recursive: true });
  const lock = await waitForLock(join(root, '.memfleet', 'install.lock'), say);
  try {
    // Another process may have done it while we waited.
    if (isCurrent(root, wanted)) return 0;
    return await install(root, wanted, say);
  } finally {
    lock.release();
  }
}

async function install(root, wanted, say) {
  const first = !existsSync(join(root, 'node_modules'));
  const why = first
    ? 'first start'
    : 'package-lock.json has changed, or an earlier install was interrupted';
  say(`installing the dependencies with npm ci (${why}), usually less than a minute ...`);
  const started = performance.now();
  const seconds = () => `${Math.round((performance.now() - started) / 1000)} s`;
  const ticker = setInterval(() => say(`still installing after ${seconds()} ...`), 20_000);

  const [command, ...prefix] = npm();
  // Always includes development dependencies, regardless of NODE_ENV or the user's npm settings.
  const args = [
    ...prefix,
    'ci',
    '--include=dev',
    '--include=optional',
    '--no-audit',
    '--no-fund',
    '--no-progress',
  ];
  let result;
  try {
    result = await run(command, args, { cwd: root, env: process.env, capture: true });
  } catch (error) {
    throw new Problem(
      `cannot start npm (${error.message}): put npm on the PATH, or run npm ci yourself`,
    );
  } finally {
    clearInterval(ticker);
  }
  if (result.code > 128) return result.code;
  if (result.code !== 0) {
    process.stderr.write(result.output);
    throw new Problem(`npm ci failed with exit code ${result.code}, see above`);
  }
  writeMarker(root, wanted);
  say(`dependencies installed in ${seconds()}`);
  return 0;
}

/** npm's output, with its warnings about engines and the like, is shown only on failure. */
function npm() {
  const running = process.env.npm_execpath;
  return running && basename(running) === 'npm-cli.js' ? [process.execPath, running] : ['npm'];
}

async function waitForLock(path, say) {
  for (let told = false; ; await wait(200)) {
    const lock = tryLock(path);
    if (lock.release) return lock;
    if (!told) say(`process ${lock.owner} is installing the dependencies, waiting for it ...`);
    told = true;
  }
}

function fingerprint(root) {
  const lockfile = readFileSync(join(root, 'package-lock.json'));
  return `${createHash('sha256').update(lockfile).digest('hex')} ${process.platform}-${process.arch}\n`;
}

const markerOf = (root) => join(root, 'node_modules', '.memfleet-installed');

function isCurrent(root, wanted) {
  if (readIfThere(markerOf(root)) === wanted) return true;
  if (!installedByHand(root)) return false;
  writeMarker(root, wanted);
  return true;
}

// npm writes node_modules/.package-lock.json as the last step of an install. When it agrees with package-lock.json,
// the user ran npm install or npm ci before, and a second install would waste time.
function installedByHand(root) {
  const hidden = readIfThere(join(root, 'node_modules', '.package-lock.json'));
  if (hidden === undefined) return false;
  const wanted = Object.entries(
    JSON.parse(readFileSync(join(root, 'package-lock.json'), 'utf8')).packages,
  );
  const there = JSON.parse(hidden).packages;
  return wanted.every(([path, entry]) => {
    if (!path.includes('node_modules/')) return true;
    const found = there[path];
    // Optional packages for other platforms may be missing.
    if (!found) return entry.optional === true || entry.devOptional === true;
    return (
      found.version === entry.version &&
      found.integrity === entry.integrity &&
      found.link === entry.link
    );
  });
}

function writeMarker(root, content) {
  try {
    writeFileSync(markerOf(root), content);
  } catch (error) {
    // A read-only installation works without the marker; each start then compares it again.
    if (!['EROFS', 'EACCES', 'EPERM'].includes(error.code)) throw error;
  }
}

function readIfThere(path) {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  }
}
