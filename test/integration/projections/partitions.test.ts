import { provisionFleet } from '@memfleet/fleet';
import {
  findRunnable,
  laneStatus,
  PROJECTIONS,
  readGenerations,
  startRebuild,
} from '@memfleet/projections';
import { partitionFilter } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { laneConsumerOf } from '../../../shared/projections/src/lanes.ts';
import { findGenerations } from '../../../workers/projection/src/engine/generations.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { createTestDatabase } from '../../support/database.ts';
import { contents, created, notesFleet } from '../../support/notes-fleet.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import { appendAll } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const WRONG = [
  {
    name: 'fewer partitions, a lane each',
    settings: { 'log.partitions': '4', 'projections.lanes': '4' },
  },
  {
    name: 'more partitions, a lane each',
    settings: { 'log.partitions': '16', 'projections.lanes': '16' },
  },
  { name: 'fewer partitions, one lane', settings: { 'log.partitions': '4' } },
];

/** A fleet on a log of 8 partitions, and a configuration with another number. */
async function fleetAndMistake(settings: Readonly<Record<string, string>>) {
  const database = await createTestDatabase();
  const names = uniqueNames();
  const projections = [notes];
  const target = {
    config: testSettings(names),
    jsm: broker.jsm,
    pool: database.pool,
    projections,
  };
  return {
    target,
    mistaken: { ...target, config: testSettings({ ...names, ...settings }) },
    async [Symbol.asyncDispose]() {
      await database[Symbol.asyncDispose]();
    },
  };
}

test.each(WRONG)('a rebuild for another log is refused: $name', async ({ settings }) => {
  await using fleet = await fleetAndMistake(settings);
  const { target, mistaken } = fleet;
  await provisionFleet(target);
  await expect(startRebuild(mistaken, notes)).rejects.toMatchObject({ code: 'LOG_DIFFERS' });
  expect(await readGenerations(target.pool)).toHaveLength(1);
});

test.each(WRONG)('a worker for another log does not start: $name', async ({ settings }) => {
  await using fleet = await fleetAndMistake(settings);
  const { target, mistaken } = fleet;
  await provisionFleet(target);
  await expect(findRunnable({ ...mistaken, db: target.pool })).rejects.toThrow(
    /stream .* was not created as configured: subject_transform: /,
  );
});

test.each(WRONG)(
  'provisioning for another log makes no generation: $name',
  async ({ settings }) => {
    await using fleet = await fleetAndMistake(settings);
    const { target, mistaken } = fleet;
    await provisionFleet({ ...target, projections: [] });
    await expect(provisionFleet(mistaken)).rejects.toMatchObject({ code: 'DRIFT' });
    expect(await readGenerations(target.pool)).toEqual([]);
  },
);

test('a generation that leaves partitions unread is not run, and a rebuild does not continue it', async () => {
  await using fleet = await fleetAndMistake({});
  const { target } = fleet;
  const { config, pool } = target;
  await provisionFleet({ ...target, projections: PROJECTIONS });
  await startRebuild(target, PROJECTIONS[0] ?? notes);
  const name = PROJECTIONS[0]?.name ?? '';
  await pool.query(
    `update memfleet.projection_generations set lanes = 4 where projection = $1 and state = 'next'`,
    [name],
  );
  const found = await findGenerations(pool, config, PROJECTIONS);
  expect(found.map(({ generation }) => generation.state)).toEqual(PROJECTIONS.map(() => 'live'));
  await expect(startRebuild(target, PROJECTIONS[0] ?? notes)).rejects.toThrow(
    /generation 2 of .* has 4 lanes for the 8 partitions of the log/,
  );
});

test('a durable that a rebuild with more lanes left behind loses its filter', async () => {
  await using fleet = await notesFleet(broker);
  const { config, pool } = fleet;
  const { stream, root } = config.log;
  const leftOver = laneConsumerOf(config, { projection: 'notes', generation: 2, lane: 0 }, 8);
  await broker.jsm.consumers.add(stream, leftOver.config);
  const memories = Array.from({ length: 20 }, (_, index) => `m-${index}`);
  await appendAll(
    broker,
    config,
    memories.map((memory) => created(memory, 'one')),
  );
  await startRebuild({ config, jsm: broker.jsm, pool }, notes);
  const info = await broker.jsm.consumers.info(stream, leftOver.name);
  expect(leftOver.config.filter_subject).toBe(partitionFilter(root, 0));
  expect(info.config.filter_subject).toBeUndefined();
  fleet.start();
  await until('the next generation has read the log', async () => {
    const { rows } = await pool.query(
      'select from memfleet.checkpoints where generation = 2 and position = 20',
    );
    return rows.length === 1;
  });
  const { rows } = await pool.query<{ memory: string }>('select memory from notes_2.notes');
  expect(rows.map(({ memory }) => memory).toSorted()).toEqual(memories.toSorted());
});

test('a lane whose durable has another filter halts, until it is provisioned', async () => {
  await using fleet = await notesFleet(broker);
  const { config, pool } = fleet;
  const { stream, root } = config.log;
  const filter = partitionFilter(root, 0);
  await broker.jsm.consumers.update(stream, 'projection-notes-1-0', { filter_subject: filter });
  const memories = Array.from({ length: 20 }, (_, index) => `m-${index}`);
  await appendAll(
    broker,
    config,
    memories.map((memory) => created(memory, 'one')),
  );
  fleet.start();
  const halted = await until('the lane is halted', async () => {
    const [lane] = await laneStatus(pool);
    return lane?.state === 'halted' ? lane : undefined;
  });
  expect(halted.cause).toBe(
    `consumer projection-notes-1-0 differs: filter_subject: "${filter}" → unset`,
  );
  expect(halted.position).toBe(0);
  await provisionFleet({ config, jsm: broker.jsm, pool, projections: [notes] });
  await fleet.applied(20);
  expect(Object.keys(await contents(fleet)).toSorted()).toEqual(memories.toSorted());
});
