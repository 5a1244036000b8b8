import { retireGeneration } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { created } from '../../support/notes-fleet.ts';
import { filled, fleetOf, never, rebuild, states } from '../../support/rebuild-fleet.ts';
import { appendAll } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

test('a generation is dropped behind a lane that still writes, not against it', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool, config } = fleet;
  await appendAll(broker, config, [created('m', 'one')]);
  const engine = fleet.start();
  await filled(broker, fleet, notes, await rebuild(broker, fleet, notes));
  await engine.stop();
  // Like a worker whose lease has run out in the middle of its last transaction.
  const lane = await pool.connect();
  try {
    await lane.query('begin');
    await lane.query('update memfleet.checkpoints set position = position where generation = 2');
    const retiring = retireGeneration({ config, jsm: broker.jsm, pool }, 'notes', 2, never);
    await until('the drop waits for the lane', async () => {
      const { rows } = await pool.query(
        `select from pg_stat_activity where wait_event_type = 'Lock' and datname = current_database()`,
      );
      return rows.length > 0;
    });
    await lane.query(`insert into notes_2.notes (tenant, memory) values ('t', 'late')`);
    await lane.query('commit');
    await retiring;
  } finally {
    lane.release();
  }
  expect(await states(fleet)).toEqual({ 1: 'live' });
});

test("a generation whose tables a user's view reads is not retired until the view is gone", async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool, config } = fleet;
  const engine = fleet.start();
  await filled(broker, fleet, notes, await rebuild(broker, fleet, notes));
  await engine.stop();
  await pool.query('create view public.mine as select memory from notes_2.notes');
  const target = { config, jsm: broker.jsm, pool };
  await expect(retireGeneration(target, 'notes', 2, never)).rejects.toThrow(
    'mine still reads tables of generation 2 of notes',
  );
  expect(await states(fleet)).toEqual({ 1: 'live', 2: 'next' });
  await pool.query('drop view public.mine');
  await retireGeneration(target, 'notes', 2, never);
  expect(await states(fleet)).toEqual({ 1: 'live' });
});
