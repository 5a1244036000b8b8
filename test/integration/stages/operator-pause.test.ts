import { pauseStage, resumeStage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { OperatorPause } from '../../../shared/stages/src/admission/operator-pause.ts';
import { failingPool, refused } from '../../support/failing-pool.ts';
import {
  createStageBench,
  type RunningStage,
  silent,
  type StageBench,
  type WorkRow,
} from '../../support/stage.ts';
import {
  IDENTITY,
  notes,
  pausedBecause,
  storesNothing,
  storing,
} from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

const STAGE = IDENTITY.name;

/** A process of the stage, which heeds the operator's pause. */
async function started(
  bench: StageBench,
  stage: ReturnType<typeof storing>,
): Promise<{ readonly running: RunningStage; readonly operator: OperatorPause }> {
  const operator = new OperatorPause({ db: bench.database.pool, stage: STAGE, log: silent });
  await operator.start();
  return { running: bench.start(stage, { operator, turns: true }), operator };
}

test('until the database says whether the stage is paused, the stage takes nothing', async () => {
  await using bench = await createStageBench();
  const failing = failingPool(bench.database.pool);
  let isAway = true;
  failing.fail = (statement) => (isAway && statement === 'stage-pauses' ? refused() : undefined);
  const operator = new OperatorPause({ db: failing.pool, stage: STAGE, log: silent });
  await operator.start();
  expect(operator.pause?.cause).toMatch(/does not say whether .* paused .*ECONNREFUSED/);
  isAway = false;
  await until('it has said so', () => operator.pause === undefined);
  // The last answer holds.
  await pauseStage(bench.database.pool, STAGE, 'wrong model');
  await until('it is paused', () => operator.pause !== undefined);
  isAway = true;
  await until('it does not answer', () => failing.failed.length >= 4);
  expect(operator.pause?.cause).toMatch(/wrong model/);
  operator.stop();
});

/** Waits until this number of events is done; those that waited by tenant count too. */
async function done(bench: StageBench, events: number): Promise<readonly WorkRow[]> {
  return await until(`${events} events are done`, async () => {
    const rows = (await bench.work()).filter(({ state }) => state === 'done');
    return rows.length === events ? rows : undefined;
  });
}

test('all processes heed a pause until it ends, including those that start later', async () => {
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '4',
    'stages.extraction.batch': '4',
  });
  const { pool } = bench.database;
  const stage = storing(storesNothing);
  const processes = [await started(bench, stage), await started(bench, stage)];
  await bench.publish(...notes(20));
  await done(bench, 20);
  expect(stage.calls).toHaveLength(20);

  const first = await pauseStage(pool, STAGE, 'wrong model');
  for (const { running } of processes) {
    await pausedBecause(running, /paused by an operator since .*: wrong model/);
  }
  await bench.publish(...notes(40).slice(20));
  processes.push(await started(bench, stage));
  for (const { running } of processes) await pausedBecause(running, /wrong model/);
  // A second pause gives its own reason, but keeps the time of the first.
  const second = await pauseStage(pool, STAGE, 'still the wrong model');
  expect([first.isNew, second.isNew, second.since]).toEqual([true, false, first.since]);
  for (const { running } of processes) await pausedBecause(running, /still the wrong model/);
  expect(stage.calls).toHaveLength(20);
  expect(await bench.work()).toHaveLength(20);

  expect(await resumeStage(pool, STAGE)).toMatchObject({ reason: 'still the wrong model' });
  const rows = await done(bench, 40);
  expect(stage.calls).toHaveLength(40);
  expect(rows.filter(({ attempts }) => attempts > 0)).toEqual([]);
  expect(await resumeStage(pool, STAGE)).toBeUndefined();
  for (const { operator } of processes) operator.stop();
});

test('work under way when the pause begins is finished and recorded', async () => {
  await using bench = await createStageBench({ 'stages.extraction.concurrency': '2' });
  const { pool } = bench.database;
  const call = Promise.withResolvers<void>();
  const stage = storing(storesNothing, async () => {
    await call.promise;
    return { kind: 'done', events: [] };
  });
  const { running, operator } = await started(bench, stage);
  await bench.publish(...notes(6));
  await until('two are under way', () => stage.calls.length === 2);
  await pauseStage(pool, STAGE, 'maintenance');
  await pausedBecause(running, /maintenance/);
  call.resolve();
  await done(bench, 2);
  expect(stage.calls).toHaveLength(2);
  await resumeStage(pool, STAGE);
  await done(bench, 6);
  expect(stage.calls).toHaveLength(6);
  operator.stop();
});
