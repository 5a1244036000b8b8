import { createPool } from '@memfleet/runtime';
import { superuser } from './cluster.ts';

const database = 'memfleet';

/** For our own server that has just started and has no other users yet. */
const settings = { poolSize: 2, connectTimeout: 10_000, statementTimeout: 30_000 };

export function postgresUrl(password: string, host: string, port: number): string {
  return `postgres://${superuser}:${password}@${host}:${port}/${database}`;
}

/** Creates the database of `url` if needed, which also proves that the server answers. Returns its version. */
export async function prepareDatabase(url: string): Promise<string> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const pool = createPool(maintenance.href, settings, { name: 'local server' });
  try {
    const found = await pool.query<{ version: string; exists: boolean }>(
      `select current_setting('server_version') as version,
              exists (select from pg_database where datname = $1) as exists`,
      [database],
    );
    const [row] = found.rows;
    if (row?.exists !== true) await pool.query(`create database ${database}`);
    return row?.version ?? '';
  } finally {
    await pool.end();
  }
}
