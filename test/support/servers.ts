import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { removePostgresData, startNatsServer, startPostgres } from '@memfleet/local';
import { createPool, migrate } from '@memfleet/runtime';
import type { TestProject } from 'vitest/node';
import { testSettings } from './settings.ts';

/** The template of every test's database: migrated once, then left unchanged. */
export const TEMPLATE = 'memfleet_template';

declare module 'vitest' {
  interface ProvidedContext {
    readonly natsUrl: string;
    /** URL of the maintenance database, from which the tests' databases are created. */
    readonly databaseUrl: string;
  }
}

/** One NATS and one PostgreSQL for the whole run, as vitest's global setup. */
// oxlint-disable-next-line import/no-default-export -- vitest takes a setup by its default export
export default async function startServers(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'memfleet-test-'));
  const onProgress = (line: string): void => {
    process.stderr.write(`test servers: ${line}\n`);
  };
  const [nats, postgres] = await Promise.all([
    startNatsServer({ dataDir: join(folder, 'nats'), onProgress }),
    // The data of a test are deleted with it, so a crash of the machine loses nothing.
    startPostgres({ dataDir: join(folder, 'postgres'), durable: false, onProgress }),
  ]);
  await makeTemplate(postgres.url);
  project.provide('natsUrl', nats.url);
  project.provide('databaseUrl', postgres.url);
  return async () => {
    await Promise.all([nats.stop(), postgres.stop()]);
    // As root they are elsewhere, where PostgreSQL's user can reach them.
    await removePostgresData(join(folder, 'postgres'));
    await rm(folder, { recursive: true, force: true });
  };
}

async function makeTemplate(url: string): Promise<void> {
  const settings = testSettings().database;
  const maintenance = createPool(url, settings, { name: 'test template' });
  await maintenance.query(`create database ${TEMPLATE}`);
  await maintenance.end();
  const templateUrl = new URL(url);
  templateUrl.pathname = `/${TEMPLATE}`;
  const template = createPool(templateUrl.href, settings, { name: 'test template' });
  await migrate(template);
  await template.end();
}
