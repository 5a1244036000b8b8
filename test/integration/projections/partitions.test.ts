import { provisionFleet } from '@memfleet/fleet';
import { findRunnable, PROJECTIONS, readGenerations, startRebuild } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { findGenerations } from '../../../workers/projection/src/engine/generations.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { createTestDatabase } from '../../support/database.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
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

/** A fleet on a log of 8 partitions, and the configuration of somebody who has another number. */
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
    /stream .* was created otherwise than configured: subject_transform: /,
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

test('a generation that leaves partitions unread is not run, and a rebuild does not go on with it', async () => {
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
