import { laneStatus, promoteNext, verifyNext } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { holdLanes } from '../../shared/projections/src/rebuild/hold.ts';
import { notes } from '../integration/projections/notes/projection.ts';
import { brokerOfFile } from '../support/broker.ts';
import { created, revised } from '../support/notes-fleet.ts';
import { filled, fleetOf, PROMOTE, rebuild, VERIFY } from '../support/rebuild-fleet.ts';
import { appendAll } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

const broker = brokerOfFile();

test('a difference is found, and its key is named, never its content', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [created('a', 'one'), created('b', 'two')]);
  fleet.start();
  await fleet.applied(2);
  await filled(broker, fleet, notes, await rebuild(broker, fleet, notes));
  await pool.query(`update notes_2.notes set content = 'other' where memory = 'b'`);
  await pool.query(`insert into notes_2.notes (tenant, memory, content) values ('t', 'c', 'x')`);
  const verification = await verifyNext(pool, 'notes', VERIFY);
  expect(verification).toMatchObject({ equal: false, position: 2 });
  const differing = verification.tables.filter(({ equal }) => !equal);
  expect(differing).toEqual([
    {
      table: 'notes',
      liveRows: 2,
      nextRows: 3,
      equal: false,
      otherColumns: [],
      differingKeys: [
        { tenant: 't', memory: 'b' },
        { tenant: 't', memory: 'c' },
      ],
    },
  ]);
  await expect(promoteNext(pool, notes, PROMOTE)).rejects.toThrow(/has not been verified/);
  // The lanes continue.
  await appendAll(broker, fleet.config, [revised('a', 'three')]);
  await fleet.applied(3);
});

test('a hold stops lanes in the middle of a batch, and runs out by itself', async () => {
  await using fleet = await fleetOf(broker, notes, { 'projections.lanes': '8' });
  const { pool, config } = fleet;
  const events = Array.from({ length: 60 }, (_, n) => revised(`m-${n % 9}`, String(n)));
  await appendAll(broker, config, events.slice(0, 10));
  await holdLanes(pool, 'notes', [1], 60_000);
  await pool.query('update memfleet.checkpoints set hold_at = 33');
  await appendAll(broker, config, events.slice(10));
  fleet.start();
  const positions = async (): Promise<number[]> =>
    (await laneStatus(pool)).map(({ position }) => position);
  await until('all lanes stand there', async () => (await positions()).every((at) => at === 33));
  expect((await laneStatus(pool)).map(({ state }) => state)).toContain('held');
  const { rows } = await pool.query('select max(sequence)::int as last from notes_1.revisions');
  expect(rows).toEqual([{ last: 33 }]);
  await expect(holdLanes(pool, 'notes', [1], 1_000)).rejects.toThrow(/held by another/);
  await pool.query(`update memfleet.checkpoints set hold_until = now() + interval '300 ms'`);
  await fleet.applied(60);
  expect(await positions()).toEqual(Array.from({ length: 8 }, () => 60));
});
