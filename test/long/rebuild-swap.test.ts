import { laneStatus, promoteNext, retireGeneration, verifyNext } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { notes } from '../integration/projections/notes/projection.ts';
import { brokerOfFile } from '../support/broker.ts';
import { contents, created } from '../support/notes-fleet.ts';
import {
  filled,
  fleetOf,
  never,
  PROMOTE,
  rebuild,
  states,
  VERIFY,
} from '../support/rebuild-fleet.ts';
import { appendAll } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

const broker = brokerOfFile();

test('a promotion waits for a long query without delaying readers', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [created('a', 'one')]);
  fleet.start();
  await fleet.applied(1);
  await filled(broker, fleet, notes, await rebuild(broker, fleet, notes));
  await verifyNext(pool, 'notes', VERIFY);
  const reader = await pool.connect();
  try {
    await reader.query('begin');
    await reader.query('select * from memory.notes');
    let refusals = 0;
    const promoting = promoteNext(pool, notes, { ...PROMOTE, onRetry: () => (refusals += 1) });
    await until('it has given way twice', () => refusals >= 2);
    expect(await contents(fleet)).toEqual({ a: 'one' });
    expect(await states(fleet)).toEqual({ 1: 'live', 2: 'next' });
    await reader.query('commit');
    expect(await promoting).toMatchObject({ live: 2 });
  } finally {
    reader.release();
  }
  await expect(
    retireGeneration({ config: fleet.config, jsm: broker.jsm, pool }, 'notes', 2, never),
  ).rejects.toThrow(/is live/);
});

test('a cancelled rebuild leaves nothing behind, and the next one has a number of its own', async () => {
  await using fleet = await fleetOf(broker, notes);
  const { config, pool } = fleet;
  await appendAll(broker, config, [created('a', 'one')]);
  const engine = fleet.start();
  await fleet.applied(1);
  expect(await rebuild(broker, fleet, notes)).toBe(2);
  // Started again, it is the same one.
  expect(await rebuild(broker, fleet, notes)).toBe(2);
  await until('it is taken up', async () => (await laneStatus(pool))[1]?.owner !== undefined);
  const target = { config, jsm: broker.jsm, pool };
  await retireGeneration(target, 'notes', 2, never);
  await retireGeneration(target, 'notes', 2, never);
  expect(await rebuild(broker, fleet, notes)).toBe(3);
  await filled(broker, fleet, notes, 3);
  const names: string[] = [];
  for await (const { name } of broker.jsm.consumers.list(config.log.stream)) names.push(name);
  expect(names.filter((name) => name.startsWith('projection-notes')).toSorted()).toEqual([
    'projection-notes-1-0',
    'projection-notes-3-0',
  ]);
  expect(engine.progress.state.state).not.toBe('halted');
  await engine.stop();
});
