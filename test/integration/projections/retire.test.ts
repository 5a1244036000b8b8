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
  // As a worker whose lease has run out, in the middle of its last transaction.
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
