import { randomBytes } from 'node:crypto';
import { chown, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { RuntimeError } from '@memfleet/runtime';
import { systemCode } from '../errors.ts';
import { leash } from '../leash.ts';
import type { ServerCallbacks } from '../server.ts';
import type { PostgresBinaries } from './binaries.ts';
import { idsOf, type RunUser } from './run-user.ts';

export const superuser = 'memfleet';

/** A database cluster on disk: the data and the superuser's password. */
export interface Cluster {
  readonly pgdata: string;
  readonly password: string;
}

export interface ClusterOptions extends ServerCallbacks {
  binaries: PostgresBinaries;
  user: RunUser | undefined;
  durable: boolean;
}

/** Opens the cluster in `place`, or creates it. It recreates an incomplete one. */
export async function openCluster(place: string, options: ClusterOptions): Promise<Cluster> {
  const pgdata = join(place, 'pgdata');
  const passwordFile = join(place, 'password');
  const made = await readIfThere(join(pgdata, 'PG_VERSION'));
  if (made === undefined) await makeCluster(pgdata, passwordFile, options);
  else checkVersion(made.trim(), pgdata, options.binaries.version);
  const password = (await readIfThere(passwordFile))?.trim();
  if (password) return { pgdata, password };
  throw new RuntimeError(
    'SERVER_FAILED',
    `The superuser's password is missing in ${passwordFile}: restore it, or move ${place} away to start afresh`,
  );
}

function checkVersion(made: string, pgdata: string, version: string): void {
  const major = version.split('.', 1)[0];
  if (made === major) return;
  throw new RuntimeError(
    'DATA_OF_OTHER_VERSION',
    `PostgreSQL ${made} made the data in ${pgdata}, but this is ${major}`,
  );
}

// initdb works in a folder with a temporary name, which is renamed at the end, so that the leftovers of an interrupted run
// never count as a cluster.
async function makeCluster(
  pgdata: string,
  passwordFile: string,
  { binaries, user, durable, log, onProgress }: ClusterOptions,
): Promise<void> {
  onProgress?.(`creating a PostgreSQL ${binaries.version} database cluster`);
  const half = `${pgdata}.half`;
  await rm(half, { recursive: true, force: true });
  await mkdir(half, { mode: 0o700 });
  await rm(passwordFile, { force: true });
  await writeFile(passwordFile, `${randomBytes(24).toString('base64url')}\n`, { mode: 0o600 });
  if (user) {
    await chown(half, user.uid, user.gid);
    await chown(passwordFile, user.uid, user.gid);
  }
  const initdb = await leash({
    command: binaries.initdb,
    args: [
      `--pgdata=${half}`,
      `--username=${superuser}`,
      `--pwfile=${passwordFile}`,
      // Other users of this machine can reach the port too.
      '--auth=scram-sha-256',
      '--encoding=UTF8',
      // The built-in collation by code point is the same on every system, and needs no installed locale.
      '--locale-provider=builtin',
      '--builtin-locale=C.UTF-8',
      '--locale=C',
      '--data-checksums',
      ...(durable ? [] : ['--no-sync']),
    ],
    stopSignal: 'SIGTERM',
    graceSeconds: 5,
    user: idsOf(user),
    onLine: log,
  });
  const { code, reason } = await initdb.exited;
  if (code !== 0) {
    throw new RuntimeError(
      'SERVER_FAILED',
      `initdb failed (${reason}); its last lines:\n${initdb.lastLines()}`,
    );
  }
  await rename(half, pgdata);
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (systemCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
