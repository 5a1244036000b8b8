import {
  type LaneId,
  ProjectionWriter,
  readParkedKeys,
  readRedriven,
  requestRedrives,
  schemaOf,
} from '@memfleet/projections';
import type { Pool } from '@memfleet/runtime';
import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import { LaneLost, takeCheckpoint } from '../../../workers/projection/src/engine/checkpoint.ts';
import { loadParkedKeys } from '../../../workers/projection/src/engine/parked-keys.ts';
import { EventReader } from '../../../workers/projection/src/engine/read-event.ts';
import { Redriver } from '../../../workers/projection/src/engine/redrive.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, notesFleet, revised } from '../../support/notes-fleet.ts';
import { over } from '../../support/over.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const ID = { projection: 'notes', generation: 1, lane: 0 };

/** A lane with a requested redrive, and what happens between its rows and its report. */
async function asked(fleet: TestFleet, meanwhile: string): Promise<Redriver> {
  const { pool } = fleet;
  await pool.query(`create function meanwhile() returns trigger language plpgsql as $$
    begin
      ${meanwhile};
      return null;
    end $$;
    create trigger meanwhile after delete on memfleet.parked_events
      execute function meanwhile()`);
  await requestRedrives(pool, await readParkedKeys(pool, {}));
  return await redriverOf(fleet, ID);
}

/** A lane that has been taken; its requests are read by `pool`. */
async function redriverOf(
  { config, pool: given }: TestFleet,
  id: LaneId,
  pool: Pool = given,
): Promise<Redriver> {
  await takeCheckpoint(pool, id, 1n);
  return new Redriver({
    id,
    epoch: 1n,
    pool,
    jsm: broker.jsm,
    stream: config.log.stream,
    reader: new EventReader(notes, config.log.root),
    writer: new ProjectionWriter(notes, schemaOf('notes', 1)),
    parked: await loadParkedKeys(pool, id),
    signal: new AbortController().signal,
    onRetry: () => undefined,
    onRedriven: () => undefined,
  });
}

/** A log whose given positions are parked. */
async function fleetWith(...positions: readonly number[]): Promise<TestFleet> {
  const fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [revised('m', 'one'), created('m', 'thrown')]);
  for (const sequence of positions) await park(fleet, 0, sequence);
  return fleet;
}

async function park({ pool }: TestFleet, lane: number, sequence: number): Promise<void> {
  await pool.query(
    `insert into memfleet.parked_events
        (projection, generation, lane, tenant, memory, sequence, reason)
      values ('notes', 1, $1, 't', 'm', $2, 'planted')`,
    [lane, sequence],
  );
}

async function waiting({ pool }: TestFleet): Promise<[number, number, string][]> {
  const { rows } = await pool.query<{ lane: number; sequence: string; reason: string }>(
    'select lane, sequence, reason from memfleet.parked_events order by lane, sequence',
  );
  return rows.map(({ lane, sequence, reason }) => [lane, Number(sequence), reason]);
}

async function requests({ pool }: TestFleet): Promise<unknown[]> {
  const { rows } = await pool.query<{ finished: boolean; applied: number | null }>(
    'select finished_at is not null as finished, applied from memfleet.parked_redrives',
  );
  return rows;
}

test('a request made during an earlier redrive is not ended by it', async () => {
  await using fleet = await fleetWith(1);
  const again = `update memfleet.parked_redrives set requested_at = requested_at + interval '1 us'`;
  const redriver = await asked(fleet, again);
  expect(await redriver.isAsked()).toBe(true);
  await redriver.run();
  expect(await requests(fleet)).toEqual([{ finished: false, applied: null }]);
});

test.each([
  ['all of a memory was applied', [1]],
  ['an event still cannot be applied', [1, 2]],
])('a lane that was lost reports nothing on a redrive: %s', async (_, positions) => {
  await using fleet = await fleetWith(...positions);
  const redriver = await asked(fleet, 'update memfleet.checkpoints set epoch = 2');
  await redriver.isAsked();
  await expect(redriver.run()).rejects.toBeInstanceOf(LaneLost);
  expect(await requests(fleet)).toEqual([{ finished: false, applied: null }]);
  const left = await readParkedKeys(fleet.pool, {});
  expect(left.every(({ reason }) => reason === 'planted')).toBe(true);
});

test.each([
  ['another lane', 1],
  ['the same lane', 0],
])('an event that is parked while a redrive runs is not taken for applied: %s', async (_, lane) => {
  await using fleet = await notesFleet(broker, { 'projections.lanes': '8' });
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [revised('m', 'one'), revised('m', 'two')]);
  await park(fleet, 0, 2);
  await requestRedrives(pool, await readParkedKeys(pool, {}));
  let applied: Promise<void> | undefined;
  // Between the look at what waits and the transaction that applies it.
  const meanwhile = over(pool, {
    query: async (statement: QueryConfig) => {
      const answer = await pool.query(statement);
      if (statement.name === 'parked-waiting') await (applied ??= park(fleet, lane, 1));
      return answer;
    },
    connect: async () => await pool.connect(),
  });
  const redriver = await redriverOf(fleet, { ...ID, lane: 0 }, meanwhile);
  await redriver.isAsked();
  await redriver.run();
  expect(await contents(fleet)).toEqual({ m: 'two' });
  const { rows } = await pool.query('select sequence from notes_1.revisions order by 1');
  // What the lane itself parked is read in the next round.
  expect(rows).toEqual(lane === 0 ? [{ sequence: '1' }, { sequence: '2' }] : [{ sequence: '2' }]);
  expect(await waiting(fleet)).toEqual(lane === 0 ? [] : [[1, 1, 'planted']]);
});

test('a key that several lanes have parked is tried by each of them, whatever the others say', async () => {
  await using fleet = await notesFleet(broker, { 'projections.lanes': '8' });
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [
    created('m', 'thrown'),
    revised('m', 'one'),
    created('m', 'thrown'),
    revised('m', 'two'),
  ]);
  await park(fleet, 2, 1);
  await park(fleet, 2, 4);
  await park(fleet, 5, 2);
  await park(fleet, 6, 3);
  const keys = await readParkedKeys(pool, {});
  // A request that was made once before does not go to the lane of that time.
  await requestRedrives(
    pool,
    keys.map((key) => ({ ...key, lane: 7 })),
  );
  await requestRedrives(pool, keys);
  for (const lane of [2, 5, 6]) {
    expect(await readRedriven(pool, keys)).toEqual([]);
    const redriver = await redriverOf(fleet, { ...ID, lane });
    expect(await redriver.isAsked(), `lane ${lane}`).toBe(true);
    await redriver.run();
  }
  expect(await readRedriven(pool, keys)).toMatchObject([
    { applied: 1, reason: 'position 1: the handler failed: no such note' },
  ]);
  expect(await waiting(fleet)).toEqual([
    [2, 1, 'the handler failed: no such note'],
    [2, 4, 'waits for 1'],
    [6, 3, 'the handler failed: no such note'],
  ]);
  expect(await contents(fleet)).toEqual({ m: 'one' });
});
