import { randomUUID } from 'node:crypto';
import { createPool, type Pool } from '@memfleet/runtime';
import { inject } from 'vitest';
import { TEMPLATE } from './servers.ts';
import { testSettings } from './settings.ts';

export interface TestDatabase extends AsyncDisposable {
  readonly url: string;
  readonly pool: Pool;
}

/** A test's own migrated database; disposing drops it. */
export async function createTestDatabase(): Promise<TestDatabase> {
  const { database } = testSettings();
  const name = `test_${randomUUID().replaceAll('-', '')}`;
  const maintenance = createPool(inject('databaseUrl'), database, { name: 'test' });
  await cloneTemplate(maintenance, name);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  const pool = createPool(url.href, database, { name: 'test' });
  return {
    url: url.href,
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end();
      await maintenance.query(`drop database ${name} with (force)`);
      await maintenance.end();
    },
  };
}

/** PostgreSQL copies a database only while nobody is connected to it, another copy included. */
async function cloneTemplate(maintenance: Pool, name: string): Promise<void> {
  const client = await maintenance.connect();
  try {
    await client.query(`select pg_advisory_lock(1)`);
    await client.query(`create database ${name} template ${TEMPLATE}`);
  } finally {
    client.release(true);
  }
}

/** Changes the database under its users: every connection is replaced, including the caller's. */
export async function changeDatabase(pool: Pool, sql: string): Promise<void> {
  const client = await pool.connect();
  await client.query(sql);
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`,
  );
  client.release(true);
}
