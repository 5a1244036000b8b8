import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { RuntimeError } from '../errors.ts';
import type { Client, Pool, Queryable } from './connection.ts';
import { transaction } from './transaction.ts';

/**
 * Numbered SQL files, applied in order under an advisory lock, each in its own transaction; their
 * checksums are stored. A file whose first line is `-- breaking` makes older versions refuse to start
 * (an idea from graphile-worker); any other lets them run beside newer ones.
 */
export interface Migration {
  readonly number: number;
  readonly name: string;
  readonly sql: string;
  readonly checksum: string;
  readonly breaking: boolean;
}

/** Any fixed number: "memfleet" in ASCII, cut to 63 bits. */
const LOCK = '7882825952909664631';

const FOLDER = fileURLToPath(new URL('migrations', import.meta.url));

export function readMigrations(folder = FOLDER): Migration[] {
  const files = readdirSync(folder).filter((file) => file.endsWith('.sql'));
  return files.toSorted().map((file, index) => {
    const number = Number(/^(\d{4})_/.exec(file)?.[1]);
    if (number !== index + 1) throw new Error(`migration ${file} is not number ${index + 1}`);
    const sql = readFileSync(`${folder}/${file}`, 'utf8');
    return {
      number,
      name: file.slice(5, -'.sql'.length),
      sql,
      checksum: createHash('sha256').update(sql).digest('hex'),
      breaking: sql.startsWith('-- breaking'),
    };
  });
}

interface AppliedRow {
  number: number;
  name: string;
  checksum: string;
  breaking: boolean;
}

/** @returns the names of the migrations that are not applied yet, in order. */
export async function pendingMigrations(
  pool: Queryable,
  migrations = readMigrations(),
): Promise<Migration[]> {
  const { rows: found } = await pool.query<{ there: boolean }>(
    `select to_regclass('memfleet.migrations') is not null as there`,
  );
  if (found[0]?.there !== true) return migrations;
  const { rows } = await pool.query<AppliedRow>(
    'select number, name, checksum, breaking from memfleet.migrations order by number',
  );
  for (const row of rows) {
    const ours = migrations.find((migration) => migration.number === row.number);
    if (ours !== undefined && ours.checksum !== row.checksum) {
      throw new RuntimeError(
        'MIGRATION_CHANGED',
        `migration ${row.number} (${row.name}) is not the one that was applied`,
      );
    }
    if (ours === undefined && row.breaking) {
      throw new RuntimeError(
        'DATABASE_NEWER',
        `the database has migration ${row.number} (${row.name}), which this version does not know`,
      );
    }
  }
  const applied = new Set(rows.map((row) => row.number));
  return migrations.filter((migration) => !applied.has(migration.number));
}

/** Applies what is missing; safe to run from many processes at once. @returns what was applied. */
export async function migrate(pool: Pool, migrations = readMigrations()): Promise<Migration[]> {
  return await withLock(pool, async () => {
    await pool.query('create schema if not exists memfleet');
    await pool.query(`create table if not exists memfleet.migrations (
      number int primary key,
      name text not null,
      checksum text not null,
      breaking boolean not null,
      applied_at timestamptz not null default now()
    )`);
    const pending = await pendingMigrations(pool, migrations);
    for (const { number, name, sql, checksum, breaking } of pending) {
      await transaction(pool, async (client) => {
        await client.query(sql);
        await client.query('insert into memfleet.migrations values ($1, $2, $3, $4)', [
          number,
          name,
          checksum,
          breaking,
        ]);
      });
    }
    return pending;
  });
}

/** @throws RuntimeError DATABASE_OUTDATED when a migration is missing. */
export async function checkMigrated(pool: Queryable): Promise<void> {
  const pending = await pendingMigrations(pool);
  const [first] = pending;
  if (first !== undefined) {
    throw new RuntimeError(
      'DATABASE_OUTDATED',
      `the database lacks ${pending.length} migrations, the first being ${first.number} (${first.name})`,
    );
  }
}

/** A session lock on a connection of its own: the migrations commit one by one beneath it. */
async function withLock<Result>(pool: Pool, work: () => Promise<Result>): Promise<Result> {
  const client: Client = await pool.connect();
  try {
    await client.query(`select pg_advisory_lock(${LOCK})`);
    return await work();
  } finally {
    // Ending the connection frees the lock in any state.
    client.release(true);
  }
}
