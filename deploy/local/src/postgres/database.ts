import pg from 'pg';
import { superuser } from './cluster.ts';

const database = 'memfleet';

export function postgresUrl(password: string, host: string, port: number): string {
  return `postgres://${superuser}:${password}@${host}:${port}/${database}`;
}

/** Makes the database of `url` when there is none, which also proves that the server answers. Returns its version. */
export async function prepareDatabase(url: string): Promise<string> {
  const maintenance = new URL(url);
  maintenance.pathname = '/postgres';
  const client = new pg.Client({
    connectionString: maintenance.href,
    connectionTimeoutMillis: 10_000,
  });
  await client.connect();
  try {
    const found = await client.query<{ version: string; exists: boolean }>(
      `select current_setting('server_version') as version,
              exists (select from pg_database where datname = $1) as exists`,
      [database],
    );
    const [row] = found.rows;
    if (row?.exists !== true) await client.query(`create database ${database}`);
    return row?.version ?? '';
  } finally {
    await client.end();
  }
}
