import { compareFleet, provisionFleet } from '@memfleet/fleet';
import { findRunnable, type Projection, PROJECTIONS } from '@memfleet/projections';
import { describeChange } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { createTestDatabase } from '../../support/database.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';

const broker = brokerOfFile();

test('an empty deployment gets everything once, after which nothing differs', async () => {
  await using database = await createTestDatabase();
  const config = testSettings();
  const target = { config, jsm: broker.jsm, pool: database.pool };
  await database.pool.query('drop schema memfleet cascade');
  const wanted = (await compareFleet(target)).map(describeChange);
  expect(wanted).toEqual(
    expect.arrayContaining([
      'create database foundation',
      'create projection memories',
      'create projection knowledge',
      'create projection lineage',
      `create stream ${config.log.stream}`,
      'create consumer projection-memories-1-0',
    ]),
  );
  const [first, second] = await Promise.all([provisionFleet(target), provisionFleet(target)]);
  const made = [...first, ...second].map(describeChange);
  // Two at once: one of them creates databases and projections, either may create streams.
  expect(new Set(made)).toEqual(new Set(wanted));
  expect(made.filter((change) => change.includes('projection memories'))).toHaveLength(1);
  expect(await compareFleet(target)).toEqual([]);
  expect(await provisionFleet(target)).toEqual([]);
  await database.pool.query('select * from memory.memories, memory.facts, memory.lineage');
});

test('views with another text are replaced in place', async () => {
  await using database = await createTestDatabase();
  const target = { config: testSettings(), jsm: broker.jsm, pool: database.pool };
  await provisionFleet(target);
  const projections = PROJECTIONS.map((projection): Projection => {
    const viewsSql = `${projection.viewsSql}\ncreate or replace view memory.extra as select 1 as one;`;
    return projection.name === 'lineage' ? { ...projection, viewsSql } : projection;
  });
  const changes = await provisionFleet({ ...target, projections });
  expect(changes.map(describeChange)).toEqual(['update projection lineage (views: other text)']);
  await database.pool.query('select one from memory.extra');
});

test('another version or other lanes need a rebuild; the tables are left to workers of their version', async () => {
  await using database = await createTestDatabase();
  const names = uniqueNames();
  const target = { config: testSettings(names), jsm: broker.jsm, pool: database.pool };
  await provisionFleet(target);
  const version = PROJECTIONS.find(({ name }) => name === 'memories')?.version;
  const projections = PROJECTIONS.map((each): Projection =>
    Object.assign({ ...each }, { version: each.name === 'memories' ? 9 : each.version }),
  );
  const config = testSettings({ ...names, 'projections.lanes': '8' });
  const changes = await provisionFleet({ ...target, config, projections });
  expect(changes.map(describeChange)).toContain(
    `refuse projection memories (version: ${version} → 9, by a rebuild, lanes: 1 → 8, by a rebuild)`,
  );
  const own = await findRunnable({ config, jsm: broker.jsm, db: database.pool, projections });
  expect(own.map(({ projection }) => projection.name)).toEqual(
    PROJECTIONS.map(({ name }) => name).filter((name) => name !== 'memories'),
  );
  // The workers of the version before run on.
  expect(await findRunnable({ config, jsm: broker.jsm, db: database.pool })).toHaveLength(
    PROJECTIONS.length,
  );
  await database.pool.query('delete from memfleet.projection_generations');
  await expect(
    findRunnable({ config, jsm: broker.jsm, db: database.pool, projections }),
  ).rejects.toMatchObject({ code: 'DRIFT' });
});

test('there is one lane, or one per partition', async () => {
  await using database = await createTestDatabase();
  const config = testSettings({ 'projections.lanes': '3' });
  await expect(
    provisionFleet({ config, jsm: broker.jsm, pool: database.pool }),
  ).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
