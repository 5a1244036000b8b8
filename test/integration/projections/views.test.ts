import { provisionFleet } from '@memfleet/fleet';
import {
  type Projection,
  promoteNext,
  retireGeneration,
  rollBack,
  verifyNext,
} from '@memfleet/projections';
import { transaction } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created } from '../../support/notes-fleet.ts';
import {
  filled,
  fleetOf,
  never,
  PROMOTE,
  rebuild,
  SWAP,
  VERIFY,
} from '../../support/rebuild-fleet.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

/** The next version: other columns in its view, and a view more. */
const wider: Projection = {
  ...notes,
  version: 2,
  tablesSql: `${notes.tablesSql}; create table extras (id int primary key, note text)`,
  viewsSql: `create or replace view memory.notes as select tenant, content, memory from notes;
    create or replace view memory.extras as select id, note from extras`,
};

/** With other views over the same columns: what `provision` replaces in place. */
const reworded: Projection = { ...notes, viewsSql: `${notes.viewsSql} -- reworded` };

/** The first version's views and one more, which the next version does not have. */
const older: Projection = {
  ...notes,
  viewsSql: `${notes.viewsSql}; create or replace view memory.older as select memory from notes`,
};

async function nextReady(first = notes, next = wider): Promise<TestFleet> {
  const fleet = await fleetOf(broker, first);
  await appendAll(broker, fleet.config, [created('a', 'one')]);
  fleet.start();
  fleet.start({}, [next]);
  await fleet.applied(1);
  await filled(broker, fleet, next, await rebuild(broker, fleet, next));
  await verifyNext(fleet.pool, 'notes', VERIFY);
  return fleet;
}

/** Grants of a view and its columns, its options and its comment. */
async function settingsOf({ pool }: TestFleet, view: string): Promise<unknown> {
  const { rows } = await pool.query(
    `select relacl::text as acl, reloptions as options, obj_description(oid, 'pg_class') as comment,
        array(select concat(attname, attacl) from pg_attribute
          where attrelid = pg_class.oid and attacl is not null order by attname) as columns
      from pg_class where relnamespace = 'memory'::regnamespace and relname = $1`,
    [view],
  );
  return rows[0];
}

test('grants and settings of a view survive promotions and rollbacks', async () => {
  await using fleet = await nextReady();
  const { pool } = fleet;
  await promoteNext(pool, wider, PROMOTE);
  for (const view of ['notes', 'extras']) {
    await pool.query(`grant select on memory.${view} to pg_monitor with grant option`);
    await pool.query(`grant select on memory.${view} to public`);
    await pool.query(`alter view memory.${view} set (security_barrier = true)`);
    await pool.query(`comment on view memory.${view} is 'it''s read by the app'`);
  }
  await pool.query('grant update (content) on memory.notes to pg_read_all_data');
  await pool.query('grant select (note) on memory.extras to pg_read_all_data');
  const [ofNotes, ofExtras] = [await settingsOf(fleet, 'notes'), await settingsOf(fleet, 'extras')];
  expect(ofExtras).toMatchObject({ options: ['security_barrier=true'] });
  for (let round = 0; round < 2; round += 1) {
    await rollBack(pool, wider, SWAP);
    expect(await settingsOf(fleet, 'notes')).toEqual(ofNotes);
    expect(await settingsOf(fleet, 'extras')).toBeUndefined();
    await promoteNext(pool, wider, PROMOTE);
    expect(await settingsOf(fleet, 'notes')).toEqual(ofNotes);
    expect(await settingsOf(fleet, 'extras')).toEqual(ofExtras);
  }
});

test('a view that a user made over the tables of a generation is not dropped', async () => {
  await using fleet = await nextReady();
  const { pool } = fleet;
  await pool.query(`create view memory.mine as select memory from notes_1.notes`);
  await pool.query(`create view memory.theirs as select id from notes_2.extras`);
  await promoteNext(pool, wider, PROMOTE);
  await rollBack(pool, wider, SWAP);
  const { rows } = await pool.query(
    'select (select count(*)::int from memory.mine) as mine, (select count(*)::int from memory.theirs) as theirs',
  );
  expect(rows).toEqual([{ mine: 1, theirs: 0 }]);
});

test('a former view name that a user has taken is left to the user', async () => {
  await using fleet = await nextReady();
  const { pool } = fleet;
  await promoteNext(pool, wider, PROMOTE);
  await rollBack(pool, wider, SWAP);
  await pool.query(`create view memory.extras as select 1 as mine`);
  const target = { config: fleet.config, jsm: broker.jsm, pool, projections: [reworded] };
  await provisionFleet(target);
  const { rows } = await pool.query('select mine from memory.extras');
  expect(rows).toEqual([{ mine: 1 }]);
});

test("a user's view over one that must be recreated stops the swap, and is named", async () => {
  await using fleet = await nextReady();
  const { pool } = fleet;
  await pool.query(`create view public.report as select content from memory.notes`);
  await expect(promoteNext(pool, wider, PROMOTE)).rejects.toThrow(
    /view public.report depends on view memory.notes/,
  );
  expect(await contents(fleet)).toEqual({ a: 'one' });
});

test('options of a view survive a replacement in place, by provisioning or a promotion', async () => {
  const same: Projection = { ...notes, version: 2 };
  await using fleet = await nextReady(notes, same);
  const { pool, config } = fleet;
  await pool.query('alter view memory.notes set (security_barrier = true)');
  await pool.query('grant select on memory.notes to pg_monitor');
  const before = await settingsOf(fleet, 'notes');
  expect(before).toMatchObject({ options: ['security_barrier=true'] });
  await provisionFleet({ config, jsm: broker.jsm, pool, projections: [reworded] });
  expect(await settingsOf(fleet, 'notes')).toEqual(before);
  await promoteNext(pool, same, PROMOTE);
  expect(await settingsOf(fleet, 'notes')).toEqual(before);
});

test('a view that the next version only mentions in a comment is dropped', async () => {
  const without: Projection = {
    ...notes,
    version: 2,
    viewsSql: `-- create or replace view memory.older: nobody reads it\n${notes.viewsSql}`,
  };
  await using fleet = await nextReady(older, without);
  await fleet.pool.query('grant select on memory.older to pg_monitor');
  await promoteNext(fleet.pool, without, PROMOTE);
  expect(await settingsOf(fleet, 'older')).toBeUndefined();
});

test("a view name that only retired generations used is free for a user's view", async () => {
  const next: Projection = { ...notes, version: 2 };
  await using fleet = await nextReady(older, next);
  const { pool, config } = fleet;
  await promoteNext(pool, next, PROMOTE);
  await retireGeneration({ config, jsm: broker.jsm, pool }, 'notes', 1, never);
  await pool.query('create view memory.older as select memory from memory.notes');
  const projections = [{ ...next, viewsSql: `${next.viewsSql} -- reworded` }];
  await provisionFleet({ config, jsm: broker.jsm, pool, projections });
  expect(await settingsOf(fleet, 'older')).toBeDefined();
});

test('provisioning gives way to a long query, and readers do not queue behind it', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool, config } = fleet;
  await appendAll(broker, config, [created('a', 'one')]);
  fleet.start();
  await fleet.applied(1);
  const target = { config, jsm: broker.jsm, pool, projections: [reworded] };
  const reader = await pool.connect();
  try {
    await reader.query('begin');
    await reader.query('select * from memory.notes');
    const provisioning = provisionFleet(target);
    await until('it waits for the reader', async () => {
      const { rows } = await pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      return rows.length > 0;
    });
    // A second reader is served while the first one stays, within its own limit on any machine.
    const second = await transaction(pool, async (client) => {
      await client.query(`set local lock_timeout = '2s'`);
      return await client.query('select content from memory.notes');
    });
    expect(second.rows).toEqual([{ content: 'one' }]);
    await reader.query('commit');
    expect(await provisioning).toMatchObject([{ kind: 'projection', action: 'update' }]);
  } finally {
    reader.release();
  }
  expect(await contents(fleet)).toEqual({ a: 'one' });
});

test('a query that outlasts the patience of provisioning is named as the cause', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool, config } = fleet;
  const reader = await pool.connect();
  try {
    await reader.query('begin');
    await reader.query('select * from memory.notes');
    const target = { config, jsm: broker.jsm, pool, projections: [reworded], limitMs: 300 };
    await expect(provisionFleet(target)).rejects.toMatchObject({ code: 'VIEWS_BUSY' });
  } finally {
    await reader.query('rollback');
    reader.release();
  }
});
