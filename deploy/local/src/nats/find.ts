import { readdir } from 'node:fs/promises';
import { delimiter, join } from 'node:path';
import { messageOf, MINIMUM_SERVER, RuntimeError } from '@memfleet/runtime';
import { cacheDir } from '../cache-dir.ts';
import type { ServerCallbacks } from '../server.ts';
import { fetchNatsServerFromDebian } from './debian.ts';
import { compareVersions, isNewEnough, natsServerVersion } from './version.ts';

export interface NatsBinary {
  readonly path: string;
  readonly version: string;
}

/**
 * A nats-server that is available without a download: the one that `MEMFLEET_NATS_SERVER` names (an error if it is no
 * nats-server or too old), else one on the PATH, else one fetched earlier.
 */
export async function findNatsServer(
  env: NodeJS.ProcessEnv = process.env,
): Promise<NatsBinary | undefined> {
  const named = env['MEMFLEET_NATS_SERVER'];
  if (named) return checkNamed(named);
  return (await findOnPath(env)) ?? (await findInCache(env));
}

async function checkNamed(path: string): Promise<NatsBinary> {
  const version = await natsServerVersion(path);
  if (version === undefined) {
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `MEMFLEET_NATS_SERVER names ${path}, which is not a nats-server that runs here`,
    );
  }
  if (!isNewEnough(version)) {
    throw new RuntimeError(
      'BROKER_TOO_OLD',
      `MEMFLEET_NATS_SERVER names nats-server ${version}, but ${MINIMUM_SERVER} or newer is needed`,
    );
  }
  return { path, version };
}

async function findOnPath(env: NodeJS.ProcessEnv): Promise<NatsBinary | undefined> {
  for (const folder of (env['PATH'] ?? '').split(delimiter).filter(Boolean)) {
    const path = join(folder, 'nats-server');
    const version = await natsServerVersion(path);
    if (version !== undefined && isNewEnough(version)) return { path, version };
  }
  return undefined;
}

async function findInCache(env: NodeJS.ProcessEnv): Promise<NatsBinary | undefined> {
  const found: NatsBinary[] = [];
  for (const name of await readdir(cacheDir(env))) {
    if (!/^nats-server-\d/.test(name)) continue;
    const path = join(cacheDir(env), name);
    const version = await natsServerVersion(path);
    if (version !== undefined && isNewEnough(version)) found.push({ path, version });
  }
  return found.toSorted((a, b) => compareVersions(b.version, a.version))[0];
}

/** Fetches a nats-server into the cache, the last resort; throws one error that says how to install it otherwise. */
export async function fetchNatsServer(
  { onProgress }: ServerCallbacks,
  env: NodeJS.ProcessEnv = process.env,
): Promise<NatsBinary> {
  try {
    const path = await fetchNatsServerFromDebian(cacheDir(env), onProgress);
    const version = await natsServerVersion(path);
    if (version !== undefined && isNewEnough(version)) return { path, version };
    throw new Error(`Debian has nats-server ${version ?? 'in a build that does not run here'}`);
  } catch (error) {
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `There is no nats-server ${MINIMUM_SERVER} or newer on the PATH, no Docker engine answers, and none could be ` +
        `fetched (${messageOf(error)}): install one from https://nats.io/download and put it on the PATH, ` +
        `or name it in MEMFLEET_NATS_SERVER`,
      error,
    );
  }
}
