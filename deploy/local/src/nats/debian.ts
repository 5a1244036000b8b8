import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import {
  chmod,
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { messageOf } from '@memfleet/runtime';
import { natsServerVersion } from './version.ts';

const run = promisify(execFile);

// Prefers the newest suite that does not change daily; unstable only if that lacks it (it comes and goes in testing).
const suites = ['forky', 'sid'];
const keyrings = ['gpg', 'pgp'].map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`);

/**
 * Fetches Debian's nats-server package with apt, signatures checked, and without root: apt gets package lists, sources
 * and a cache of its own, and nothing is installed. Returns the path of the binary in `cache`; safe to run in several
 * processes at once.
 */
export async function fetchNatsServerFromDebian(
  cache: string,
  onProgress: ((message: string) => void) | undefined,
): Promise<string> {
  const keyring = keyrings.find((path) => existsSync(path));
  if (process.platform !== 'linux' || keyring === undefined) {
    throw new Error('this is not a Debian system with the keyring of its archive');
  }
  const mirror = await debianMirror('/etc/apt');
  if (mirror === undefined) throw new Error("apt's sources name no mirror of Debian's archive");
  const work = await mkdtemp(join(cache, 'nats-server.fetch-'));
  try {
    const failures: string[] = [];
    for (const suite of suites) {
      onProgress?.(
        `fetching nats-server from Debian ${suite} (package lists and package, about 15 MB)`,
      );
      try {
        return await fetchFromSuite({ cache, work: join(work, suite), suite, mirror, keyring });
      } catch (error) {
        failures.push(`${suite}: ${shortReason(error)}`);
      }
    }
    throw new Error(failures.join('; '));
  } finally {
    await rm(work, { recursive: true, force: true });
  }
}

interface Fetch {
  cache: string;
  work: string;
  suite: string;
  mirror: string;
  keyring: string;
}

async function fetchFromSuite({ cache, work, suite, mirror, keyring }: Fetch): Promise<string> {
  const [lists, archives] = [join(work, 'lists'), join(work, 'cache')];
  await mkdir(join(lists, 'partial'), { recursive: true });
  await mkdir(join(archives, 'archives', 'partial'), { recursive: true });
  const sources = join(work, 'sources.list');
  await writeFile(sources, `deb [signed-by=${keyring}] ${mirror} ${suite} main\n`);

  const options = [
    `Dir::State::lists=${lists}`,
    `Dir::Cache=${archives}`,
    `Dir::Etc::sourcelist=${sources}`,
    'Dir::Etc::sourceparts=/dev/null',
    // This machine's pins and default release concern other suites.
    'Dir::Etc::preferences=/dev/null',
    'Dir::Etc::preferencesparts=/dev/null',
    'APT::Default-Release=',
    'Acquire::Languages=none',
    'Acquire::Retries=3',
    // Root's apt switches to a user that may not write into our folder.
    ...(process.getuid?.() === 0 ? ['APT::Sandbox::User=root'] : []),
  ].flatMap((option) => ['-o', option]);
  // Ten minutes allow for a slow connection, but not for a hanging one.
  const settings = { cwd: work, env: { ...process.env, LC_ALL: 'C' }, timeout: 600_000 };
  await run('apt-get', [...options, '-q', 'update'], settings);
  await run('apt-get', [...options, '-q', 'download', 'nats-server'], settings);

  const deb = (await readdir(work)).find((name) => name.endsWith('.deb'));
  if (deb === undefined) throw new Error('apt-get download left no package');
  await run('dpkg', ['-x', deb, 'x'], settings);
  return moveIntoCache(join(work, 'x', 'usr', 'sbin', 'nats-server'), cache);
}

/** The file appears in the cache complete, or not at all. */
async function moveIntoCache(binary: string, cache: string): Promise<string> {
  const version = await natsServerVersion(binary);
  if (version === undefined) {
    throw new Error('the binary of the package does not run on this system');
  }
  const path = join(cache, `nats-server-${version}-${process.arch}`);
  const whole = `${path}.${process.pid}`;
  await copyFile(binary, whole);
  await chmod(whole, 0o755);
  await rename(whole, path);
  return path;
}

/** The mirror of Debian's archive that this machine's apt uses, which also works behind a firewall. */
export async function debianMirror(etcApt: string): Promise<string | undefined> {
  for (const file of await sourceFiles(etcApt)) {
    for (const line of (await readFile(file, 'utf8')).split('\n')) {
      // One-line style: deb [options] URI suite ...; deb822 style: URIs: URI ...
      const uris = /^\s*deb\s+(?:\[[^\]]*\]\s+)?(\S+)|^\s*URIs:\s*(.+)$/i.exec(line);
      const mirror = (uris?.[1] ?? uris?.[2])?.split(/\s+/).find(isDebianMirror);
      if (mirror !== undefined) return mirror;
    }
  }
  return undefined;
}

// The URI of a mirror of the whole archive ends like this; debian-security and other archives lack our suites.
const isDebianMirror = (uri: string): boolean => /^https?:\/\/\S+\/debian\/?$/.test(uri);

async function sourceFiles(etcApt: string): Promise<string[]> {
  const parts = join(etcApt, 'sources.list.d');
  const names = existsSync(parts) ? (await readdir(parts)).toSorted() : [];
  return [join(etcApt, 'sources.list'), ...names.map((name) => join(parts, name))].filter(
    (path) => /\.(list|sources)$/.test(path) && existsSync(path),
  );
}

/** apt's own "E:" lines say more than "Command failed". */
function shortReason(error: unknown): string {
  const stderr = error instanceof Error && 'stderr' in error ? String(error.stderr) : '';
  return /^E: .*/m.exec(stderr)?.[0] ?? messageOf(error).split('\n', 1)[0] ?? '';
}
