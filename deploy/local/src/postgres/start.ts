import { existsSync } from 'node:fs';
import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { RuntimeError } from '@memfleet/runtime';
import { containerFailed, findContainerEngine } from '../container-engine.ts';
import { lockData } from '../data-lock.ts';
import type { LocalServer } from '../server.ts';
import { findPostgresBinaries } from './binaries.ts';
import { openCluster } from './cluster.ts';
import { hasVolume, postgresImage, startPostgresContainer } from './container.ts';
import { placeData } from './data-place.ts';
import type { PostgresOptions, PostgresStart } from './options.ts';
import { startPostgresBinary } from './process.ts';
import { findRunUser } from './run-user.ts';
import { postgresSettings } from './settings.ts';

/**
 * Starts PostgreSQL with the database `memfleet` and resolves when it accepts connections on 127.0.0.1. `url` holds the
 * superuser's password, which is stored in `dataDir` and stays the same. It runs in a container when an engine answers
 * (with pgvector), or else from the binaries of an npm package (without). The kind that created `dataDir` keeps running
 * it. Throws RuntimeError.
 */
export async function startPostgres(options: PostgresOptions): Promise<LocalServer> {
  const { port, log, onProgress, durable = true } = options;
  const user = await findRunUser();
  const place = await realpath(await placeData(resolve(options.dataDir), user));
  const lock = lockData(place, 'PostgreSQL');
  try {
    const settings = postgresSettings(durable, options.settings);
    const start: PostgresStart = { port, durable, settings, log, onProgress };
    const server = (await startInContainer(place, start)) ?? (await startHere(place, user, start));
    void server.exited.then(lock.release);
    return server;
  } catch (error) {
    lock.release();
    throw error;
  }
}

async function startInContainer(
  place: string,
  start: PostgresStart,
): Promise<LocalServer | undefined> {
  if (existsSync(join(place, 'pgdata'))) return undefined;
  const engine = await findContainerEngine();
  const made = hasVolume(place);
  if (engine === undefined && made) {
    throw new RuntimeError(
      'SERVER_NOT_FOUND',
      `The data of ${place} are in a Docker volume and no Docker engine answers: start Docker, or choose another folder`,
    );
  }
  if (engine === undefined) return undefined;
  try {
    return await startPostgresContainer(place, start);
  } catch (error) {
    if (made) throw error;
    start.onProgress?.(containerFailed(postgresImage, error));
    return undefined;
  }
}

async function startHere(
  place: string,
  user: Awaited<ReturnType<typeof findRunUser>>,
  start: PostgresStart,
): Promise<LocalServer> {
  const binaries = await findPostgresBinaries(user);
  const cluster = await openCluster(place, { ...start, binaries, user });
  return startPostgresBinary(binaries.postgres, cluster, user, start);
}
