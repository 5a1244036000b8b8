import { ProjectionWriter, readParkedKeys, requestRedrives, schemaOf } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { LaneLost, takeCheckpoint } from '../../../workers/projection/src/engine/checkpoint.ts';
import { loadParkedKeys } from '../../../workers/projection/src/engine/parked-keys.ts';
import { EventReader } from '../../../workers/projection/src/engine/read-event.ts';
import { Redriver } from '../../../workers/projection/src/engine/redrive.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { created, notesFleet, revised } from '../../support/notes-fleet.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const ID = { projection: 'notes', generation: 1, lane: 0 };

/** A lane whose parked memories are asked for, and what happens between their rows and the report. */
async function asked(fleet: TestFleet, meanwhile: string): Promise<Redriver> {
  const { pool, config } = fleet;
  await pool.query(`create function meanwhile() returns trigger language plpgsql as $$
    begin
      ${meanwhile};
      return null;
    end $$;
    create trigger meanwhile after delete on memfleet.parked_events
      execute function meanwhile()`);
  await takeCheckpoint(pool, ID, 1n);
  await requestRedrives(pool, await readParkedKeys(pool, {}));
  return new Redriver({
    id: ID,
    epoch: 1n,
    pool,
    jsm: broker.jsm,
    stream: config.log.stream,
    reader: new EventReader(notes, config.log.root),
    writer: new ProjectionWriter(notes, schemaOf('notes', 1)),
    parked: await loadParkedKeys(pool, ID),
    signal: new AbortController().signal,
    onRetry: () => undefined,
    onRedriven: () => undefined,
  });
}

/** A log of which the given positions are parked. */
async function fleetWith(...positions: readonly number[]): Promise<TestFleet> {
  const fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [revised('m', 'one'), created('m', 'thrown')]);
  for (const sequence of positions) {
    await fleet.pool.query(
      `insert into memfleet.parked_events
          (projection, generation, lane, tenant, memory, sequence, reason)
        values ('notes', 1, 0, 't', 'm', $1, 'planted')`,
      [sequence],
    );
  }
  return fleet;
}

async function requests({ pool }: TestFleet): Promise<unknown[]> {
  const { rows } = await pool.query<{ finished: boolean; applied: number | null }>(
    'select finished_at is not null as finished, applied from memfleet.parked_redrives',
  );
  return rows;
}

test('a request made while an earlier one is carried out is not ended by it', async () => {
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
