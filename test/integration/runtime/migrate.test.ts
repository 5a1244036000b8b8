import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  checkMigrated,
  createPool,
  migrate,
  pendingMigrations,
  type Pool,
} from '@memfleet/runtime';
import { afterAll, expect, inject, test } from 'vitest';
import { readMigrations } from '../../../shared/runtime/src/database/migrate.ts';
import { createTestDatabase } from '../../support/database.ts';
import { testSettings } from '../../support/settings.ts';

const folder = mkdtempSync(join(tmpdir(), 'memfleet-migrations-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A database with nothing in it. */
async function emptyDatabase(): Promise<AsyncDisposable & { readonly pool: Pool }> {
  const { database } = testSettings();
  const name = `empty_${randomUUID().replaceAll('-', '')}`;
  const maintenance = createPool(inject('databaseUrl'), database, { name: 'test' });
  await maintenance.query(`create database ${name}`);
  const url = new URL(inject('databaseUrl'));
  url.pathname = `/${name}`;
  const pool = createPool(url.href, database, { name: 'test' });
  return {
    pool,
    async [Symbol.asyncDispose]() {
      await pool.end();
      await maintenance.query(`drop database ${name} with (force)`);
      await maintenance.end();
    },
  };
}

test('a migrated database has nothing pending, and migrating again changes nothing', async () => {
  await using database = await createTestDatabase();
  await checkMigrated(database.pool);
  expect(await migrate(database.pool)).toEqual([]);
});

test('five processes that migrate at once apply each migration once', async () => {
  await using database = await emptyDatabase();
  await expect(checkMigrated(database.pool)).rejects.toMatchObject({ code: 'DATABASE_OUTDATED' });
  const applied = await Promise.all(Array.from({ length: 5 }, () => migrate(database.pool)));
  expect(applied.flat().map(({ number }) => number)).toEqual(
    readMigrations().map(({ number }) => number),
  );
  await checkMigrated(database.pool);
});

test('an edited migration is refused', async () => {
  await using database = await createTestDatabase();
  await database.pool.query(`update memfleet.migrations set checksum = 'x' where number = 1`);
  await expect(checkMigrated(database.pool)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
  await expect(migrate(database.pool)).rejects.toMatchObject({ code: 'MIGRATION_CHANGED' });
});

test('an older version runs beside newer migrations, unless one is breaking', async () => {
  await using database = await createTestDatabase();
  await database.pool.query(`insert into memfleet.migrations values (99, 'later', 'x', false)`);
  expect(await pendingMigrations(database.pool)).toEqual([]);
  await database.pool.query(`insert into memfleet.migrations values (100, 'break', 'x', true)`);
  await expect(checkMigrated(database.pool)).rejects.toMatchObject({ code: 'DATABASE_NEWER' });
});

test('a failing migration leaves the earlier ones, and nothing of itself', async () => {
  await using database = await emptyDatabase();
  writeFileSync(join(folder, '0001_good.sql'), 'create table good (id int);');
  writeFileSync(join(folder, '0002_bad.sql'), 'create table half (id int); select 1 / 0;');
  const migrations = readMigrations(folder);
  await expect(migrate(database.pool, migrations)).rejects.toThrow(/division by zero/);
  const { rows } = await database.pool.query(
    `select to_regclass('good') is not null as good, to_regclass('half') is not null as half`,
  );
  expect(rows).toEqual([{ good: true, half: false }]);
  expect((await pendingMigrations(database.pool, migrations)).map(({ name }) => name)).toEqual([
    'bad',
  ]);
});

test('a gap in the numbers is found', () => {
  const gap = mkdtempSync(join(folder, 'gap-'));
  writeFileSync(join(gap, '0002_second.sql'), 'select 1;');
  expect(() => readMigrations(gap)).toThrow(/0002_second.sql is not number 1/);
});
