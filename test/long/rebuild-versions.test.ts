import {
  laneStatus,
  type Projection,
  promoteNext,
  rollBack,
  verifyNext,
} from '@memfleet/projections';
import { expect, test } from 'vitest';
import { notes } from '../integration/projections/notes/projection.ts';
import { brokerOfFile } from '../support/broker.ts';
import { contents, created } from '../support/notes-fleet.ts';
import { filled, fleetOf, PROMOTE, rebuild, SWAP, VERIFY } from '../support/rebuild-fleet.ts';
import { appendAll, type TestFleet } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

const broker = brokerOfFile();

/** The next version of the notes: other contents, other columns in its view, and a view more. */
const louder: Projection = {
  ...notes,
  version: 2,
  handlers: {
    ...notes.handlers,
    'memory.created': (event, at) =>
      notes.handlers['memory.created']?.(
        { ...event, data: { ...event.data, content: event.data.content.toUpperCase() } },
        at,
      ) ?? [],
  },
  tablesSql: `${notes.tablesSql}; create table extras (id int primary key)`,
  viewsSql: `create or replace view memory.notes as select tenant, content, memory from notes;
    create or replace view memory.extras as select id from extras`,
};

async function viewsIn({ pool }: TestFleet): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select viewname as name from pg_views where schemaname = 'memory' order by 1`,
  );
  return rows.map(({ name }) => name);
}

test("a newer version gets its own tables, and a rollback restores the old version's views", async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool } = fleet;
  await pool.query('grant select on memory.notes to public');
  await appendAll(broker, fleet.config, [created('a', 'one')]);
  const old = fleet.start({ instance: 'old' });
  await fleet.applied(1);
  // A deploy: workers of both versions side by side.
  fleet.start({ instance: 'new' }, [louder]);
  await filled(broker, fleet, louder, await rebuild(broker, fleet, louder));
  await appendAll(broker, fleet.config, [created('b', 'two')]);
  await fleet.applied(2);
  const owners = await until('each has its generation', async () => {
    const lanes = await laneStatus(pool);
    return lanes.every(({ owner, position }) => owner && position === 2) && lanes;
  });
  expect(owners.map(({ generation, owner }) => [generation, owner])).toEqual([
    [1, 'old'],
    [2, 'new'],
  ]);
  const verification = await verifyNext(pool, 'notes', VERIFY);
  expect(verification).toMatchObject({
    equal: false,
    live: { version: 1 },
    next: { version: 2 },
    tables: [
      { table: 'applied', equal: true },
      { table: 'extras', equal: false, nextRows: 0 },
      { table: 'notes', equal: false, liveRows: 2, nextRows: 2 },
      { table: 'revisions', equal: true },
    ],
  });
  expect(verification.tables[1]?.liveRows).toBeUndefined();

  await promoteNext(pool, louder, PROMOTE);
  expect(await contents(fleet)).toEqual({ a: 'ONE', b: 'TWO' });
  expect(await viewsIn(fleet)).toEqual(['extras', 'notes']);
  await rollBack(pool, louder, SWAP);
  expect(await contents(fleet)).toEqual({ a: 'one', b: 'two' });
  expect(await viewsIn(fleet)).toEqual(['notes']);
  const { rows } = await pool.query(
    `select has_table_privilege('public', 'memory.notes', 'select') as allowed`,
  );
  expect(rows).toEqual([{ allowed: true }]);

  // The old workers end. Their tables stand still, and serve readers until the new ones are promoted.
  await old.stop();
  await appendAll(broker, fleet.config, [created('c', 'three')]);
  await until('the next one continues', async () => (await laneStatus(pool))[1]?.position === 3);
  expect((await laneStatus(pool))[0]).toMatchObject({ state: 'unowned', position: 2 });
  await expect(verifyNext(pool, 'notes', VERIFY)).rejects.toThrow(
    /does not move: lane 0 is unowned/,
  );
  expect(await promoteNext(pool, louder, PROMOTE)).toMatchObject({ live: 2, behind: 0 });
  expect(await rollBack(pool, louder, SWAP)).toMatchObject({ live: 1, behind: 1 });
});
