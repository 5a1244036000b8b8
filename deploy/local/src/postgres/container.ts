import { createHash, randomBytes } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { containerLife, containerOutput, exposed } from '../container.ts';
import type { LocalServer } from '../server.ts';
import { superuser } from './cluster.ts';
import { postgresUrl, prepareDatabase } from './database.ts';
import type { PostgresStart } from './options.ts';
import { settingArgs } from './settings.ts';

export const postgresImage = 'pgvector/pgvector:0.8.1-pg18';

// The parent of this image's PGDATA, which is /var/lib/postgresql/18/docker.
const inside = '/var/lib/postgresql';

const volumeFile = (place: string): string => join(place, 'volume');

/** Whether the data of this folder are in a volume, whose name is in the file `volume`. */
export const hasVolume = (place: string): boolean => existsSync(volumeFile(place));

/**
 * Runs PostgreSQL with pgvector in a container. Durable data are in a named volume: the image has a user of its own, and
 * a bind mount would leave files that we cannot remove, or that it cannot write. Other data are in memory and end with
 * the container.
 */
export async function startPostgresContainer(
  place: string,
  start: PostgresStart,
): Promise<LocalServer> {
  const { GenericContainer, Wait } = await import('testcontainers');
  start.onProgress?.(`starting PostgreSQL in a container (${postgresImage})`);
  const password = await passwordOf(place);
  const volume = `memfleet-${createHash('sha256').update(place).digest('hex').slice(0, 16)}`;
  const output = containerOutput(start.log);
  const container = new GenericContainer(postgresImage)
    .withEnvironment({
      POSTGRES_USER: superuser,
      POSTGRES_PASSWORD: password,
      POSTGRES_DB: 'postgres',
      POSTGRES_INITDB_ARGS: '--locale-provider=builtin --builtin-locale=C.UTF-8 --data-checksums',
    })
    .withCommand(['postgres', ...settingArgs(start.settings)])
    .withExposedPorts(exposed(5432, start.port))
    .withLogConsumer(output.consume)
    // The first start runs the server twice: once to set it up, without a port, and once for us.
    .withWaitStrategy(Wait.forListeningPorts())
    .withSharedMemorySize(256 * 1024 * 1024);
  if (start.durable) container.withBindMounts([{ source: volume, target: inside, mode: 'rw' }]);
  else container.withTmpFs({ [inside]: 'rw' });

  const started = await container.start();
  try {
    const port = started.getMappedPort(5432);
    const url = postgresUrl(password, started.getHost(), port);
    const version = await prepareDatabase(url);
    if (start.durable) await writeFile(volumeFile(place), `${volume}\n`);
    return { url, port, version, ...containerLife(started, output.ended) };
  } catch (error) {
    await started.stop({ timeout: 0 });
    throw error;
  }
}

async function passwordOf(place: string): Promise<string> {
  const file = join(place, 'password');
  if (existsSync(file)) return (await readFile(file, 'utf8')).trim();
  const password = randomBytes(24).toString('base64url');
  await writeFile(file, `${password}\n`, { mode: 0o600 });
  return password;
}
