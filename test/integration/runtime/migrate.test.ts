import { checkMigrated, migrate } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../support/database.ts';

test('a migrated database has nothing pending, and migrating again changes nothing', async () => {
  await using database = await createTestDatabase();
  await checkMigrated(database.pool);
  expect(await migrate(database.pool)).toEqual([]);
});
