import { existsSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Fleet, startFleet } from '@memfleet/local';
import { readFleetFile } from '@memfleet/runtime';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { variableOf } from '../../../shared/runtime/src/config/settings.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { isAlive } from '../../support/processes.ts';
import { uniqueNames } from '../../support/settings.ts';
import { until } from '../../support/until.ts';

/** Settings of a fleet on the run's own servers, under names that no other test shares. */
function environment(database: TestDatabase): NodeJS.ProcessEnv {
  const names = Object.fromEntries(
    Object.entries(uniqueNames()).map(([path, value]): [string, string] => [
      variableOf(path.split('.')),
      value,
    ]),
  );
  return {
    PATH: process.env['PATH'],
    ...names,
    NATS_URL: inject('natsUrl'),
    DATABASE_URL: database.url,
  };
}

describe('a fleet on given servers', () => {
  let database: TestDatabase;
  let stateDir: string;
  let fleet: Fleet;
  const said: string[] = [];

  beforeAll(async () => {
    database = await createTestDatabase();
    stateDir = await mkdtemp(join(tmpdir(), 'memfleet-fleet-'));
    fleet = await startFleet({
      stateDir,
      env: environment(database),
      workers: { embedding: 2 },
      onProgress: (message) => said.push(message),
    });
  });

  afterAll(async () => {
    await fleet.stop();
    await database[Symbol.asyncDispose]();
    await rm(stateDir, { recursive: true });
  });

  it('uses them, and says where everything is in fleet.json', () => {
    expect(fleet.embedded).toEqual({ nats: false, postgres: false });
    expect(existsSync(join(stateDir, 'nats'))).toBe(false);
    expect(readFleetFile(stateDir)).toEqual({
      pid: process.pid,
      natsUrl: inject('natsUrl'),
      databaseUrl: database.url,
      consoleUrl: null,
    });
  });

  it('runs the requested number of processes of a worker', () => {
    expect(fleet.workers.map(({ name }) => name)).toEqual([
      'extraction',
      'embedding-1',
      'embedding-2',
      'projection',
    ]);
    expect(fleet.workers.every(({ pid }) => pid !== undefined && isAlive(pid))).toBe(true);
  });

  it('allows only one fleet at a time on a state folder', async () => {
    const second = startFleet({ stateDir, env: environment(database) });
    await expect(second).rejects.toMatchObject({ code: 'FLEET_RUNNING' });
    expect(readFleetFile(stateDir)).toBeDefined();
  });

  it('restarts a killed worker, and says so', async () => {
    const [extraction] = fleet.workers;
    const before = extraction?.pid ?? 0;
    process.kill(before, 'SIGKILL');
    const after = await until('another process', () => {
      const pid = extraction?.pid;
      return pid === before ? undefined : pid;
    });
    expect(extraction?.restarts).toBe(1);
    expect(said.filter((line) => line.includes('ended by itself (signal SIGKILL)'))).toHaveLength(
      1,
    );
    await until('it reports', async () => {
      const { rows } = await database.pool.query(
        'select from memfleet.worker_reports where pid = $1',
        [after],
      );
      return rows.length === 1;
    });
  });

  it('ends gracefully: the workers exit by themselves, and fleet.json is gone', async () => {
    const pids = fleet.workers.map(({ pid }) => pid ?? 0);
    await fleet.stop();
    expect(pids.filter((pid) => isAlive(pid))).toEqual([]);
    expect(readFleetFile(stateDir)).toBeUndefined();
    const log = await readFile(join(stateDir, 'logs', 'projection.log'), 'utf8');
    expect(log.trimEnd().split('\n').at(-1)).toContain('"msg":"stopped"');
  });
});

describe('a fleet that cannot start', () => {
  it('says which worker ended and where its log is, and leaves nothing behind', async () => {
    await using database = await createTestDatabase();
    const stateDir = await mkdtemp(join(tmpdir(), 'memfleet-fleet-'));
    const env = { ...environment(database), NODE_OPTIONS: '--require=/does/not/exist' };
    const starting = startFleet({ stateDir, env });
    await expect(starting).rejects.toMatchObject({
      code: 'FLEET_FAILED',
      message: expect.stringMatching(/ended at its start .*logs\/\w+\.log$/s) as string,
    });
    expect(readFleetFile(stateDir)).toBeUndefined();
    await rm(stateDir, { recursive: true });
  });

  it('reports mistakes in the settings before anything starts', async () => {
    const stateDir = join(tmpdir(), 'memfleet-fleet-never');
    const starting = startFleet({ stateDir, env: { MEMFLEET_LOGGING_LEVEL: 'loud' } });
    await expect(starting).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    expect(existsSync(stateDir)).toBe(false);
  });

  it('ends early when it is asked to end during the start', async () => {
    await using database = await createTestDatabase();
    const stateDir = await mkdtemp(join(tmpdir(), 'memfleet-fleet-'));
    const stop = new AbortController();
    const starting = startFleet({
      stateDir,
      env: environment(database),
      signal: stop.signal,
      onProgress: (message) => message.startsWith('starting the workers') && stop.abort(),
    });
    await expect(starting).rejects.toMatchObject({ name: 'AbortError' });
    await rm(stateDir, { recursive: true });
  });
});
