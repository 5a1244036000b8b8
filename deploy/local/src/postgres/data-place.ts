import { createHash } from 'node:crypto';
import {
  chmod,
  chown,
  lstat,
  mkdir,
  readdir,
  readlink,
  rename,
  rm,
  rmdir,
  symlink,
} from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { RuntimeError } from '@memfleet/runtime';
import { systemCode } from '../errors.ts';
import { noteOrigin, sweepAbandoned } from './abandoned.ts';
import { rootsOwnFolder } from './roots-own-folder.ts';
import { canRun, type RunUser } from './run-user.ts';

/**
 * The folder that really holds the data of `dataDir`. It is `dataDir` itself, unless the server must run as another user
 * without access to it (below root's home, for example): then the data are in /var/lib/memfleet, and `dataDir` is a
 * symbolic link.
 */
export async function placeData(dataDir: string, user: RunUser | undefined): Promise<string> {
  const linked = await linkTarget(dataDir);
  if (linked !== undefined) return restore(linked, user);
  if (user === undefined) {
    await mkdir(dataDir, { recursive: true, mode: 0o700 });
    return dataDir;
  }
  await mkdir(dirname(dataDir), { recursive: true });
  if (await reaches(dirname(dataDir), user)) {
    await mkdir(dataDir, { recursive: true });
    await openTo(dataDir, user);
    if (await reaches(dataDir, user)) return dataDir;
  }
  return moveAway(dataDir, user);
}

/** Removes the data of a stopped server from their real place. */
export async function removePostgresData(dataDir: string): Promise<void> {
  const linked = await linkTarget(dataDir);
  if (linked !== undefined) await rm(linked, { recursive: true, force: true });
  await rm(dataDir, { recursive: true, force: true });
}

const farAway = '/var/lib/memfleet';

async function moveAway(dataDir: string, user: RunUser): Promise<string> {
  const home = await rootsOwnFolder(farAway);
  await sweepAbandoned(home);
  const target = join(home, createHash('sha256').update(dataDir).digest('hex').slice(0, 16));
  // A missing link means that its owner removed the state folder and wants a new one.
  await rm(target, { recursive: true, force: true });
  if (await isEmptyOrMissing(dataDir)) {
    await mkdir(target);
    await rmdir(dataDir).catch(ignoreMissing);
  } else {
    await adopt(dataDir, target);
  }
  await noteOrigin(target, dataDir);
  await openTo(target, user);
  await symlink(target, dataDir);
  return target;
}

/** Moves data that were made while the user still had access, before the folder was moved or closed. */
async function adopt(dataDir: string, target: string): Promise<void> {
  try {
    await rename(dataDir, target);
  } catch (error) {
    if (systemCode(error) !== 'EXDEV') throw error;
    throw new RuntimeError(
      'SERVER_FAILED',
      `PostgreSQL does not run as root, and another user cannot reach the data in ${dataDir}: ` +
        `move them with "mv ${dataDir} ${target} && ln -s ${target} ${dataDir}"`,
    );
  }
}

async function restore(target: string, user: RunUser | undefined): Promise<string> {
  if (user && dirname(target) === farAway) await rootsOwnFolder(farAway);
  await mkdir(target, { recursive: true });
  if (user) await openTo(target, user);
  return target;
}

/** Root keeps the folder, with the lock and the password; the user only passes through it to the cluster. */
async function openTo(folder: string, user: RunUser): Promise<void> {
  await chown(folder, 0, user.gid);
  await chmod(folder, 0o710);
}

// Asks the system itself: that covers the modes of all folders above, access lists and mount options.
const reaches = (folder: string, user: RunUser): Promise<boolean> =>
  canRun('/bin/sh', ['-c', 'cd "$1"', 'sh', folder], user);

async function linkTarget(path: string): Promise<string | undefined> {
  try {
    return (await lstat(path)).isSymbolicLink() ? await readlink(path) : undefined;
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}

async function isEmptyOrMissing(folder: string): Promise<boolean> {
  try {
    return (await readdir(folder)).length === 0;
  } catch (error) {
    ignoreMissing(error);
    return true;
  }
}

function ignoreMissing(error: unknown): void {
  if (systemCode(error) !== 'ENOENT') throw error;
}
