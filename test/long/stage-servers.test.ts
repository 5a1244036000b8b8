import { describe, expect, test } from 'vitest';
import {
  answer,
  called,
  createStageFleet,
  STAGES,
  type StageCase,
  type StageFleet,
} from '../chaos/stage-fleet.ts';
import { replies } from '../support/model-service.ts';
import { ownBroker, ownCluster, ownDatabase } from '../support/own-servers.ts';
import { until } from '../support/until.ts';

const EVENTS = 400;
/** From the moment that the servers are back. */
const BACK_MS = 15_000;
const LIMIT_MS = 600_000;

/** A stage at work, with many events left. */
async function atWork(fleet: StageFleet): Promise<void> {
  fleet.model.respond((call) => replies.slow(200, answer(call)));
  await fleet.publish(EVENTS);
}

/** Ms until the number has grown. */
async function backAfter(fleet: StageFleet, what: string): Promise<number> {
  const before = await until(`it can be counted after ${what}`, () => derived(fleet), 120_000);
  const startedAt = performance.now();
  await until('work continues', async () => ((await derived(fleet)) ?? 0) > before, 120_000);
  const ms = performance.now() - startedAt;
  process.stderr.write(`${fleet.stage}, ${what}: back after ${ms.toFixed(0)} ms\n`);
  return ms;
}

/** A server that has just come back may not answer at once. */
async function derived(fleet: StageFleet): Promise<number | undefined> {
  return await fleet.effects().then(
    (effects) => effects.derived,
    () => undefined,
  );
}

/** Every event once, nothing parked, no attempt counted, no result of unknown fate. */
const WHOLE = {
  done: EVENTS,
  parked: 0,
  derived: EVENTS,
  distinct: EVENTS,
  deadLetters: 0,
  odd: 0,
};

async function finished(fleet: StageFleet): Promise<typeof WHOLE> {
  await until('all is done', async () => (await derived(fleet)) === EVENTS, 120_000);
  await fleet.settled();
  const { rows } = await fleet.database.pool.query(
    'select from memfleet.stage_work where attempts > 0 or published_at is null',
  );
  return { ...(await fleet.effects()), odd: rows.length };
}

// One text per call, so that the work takes a while.
const CASES: readonly StageCase[] = STAGES.map(({ stage, durable, provider }) => ({
  stage,
  durable,
  provider: stage === 'embedding' ? { ...provider, maxBatch: 1 } : provider,
}));

describe.each(CASES)('the $stage stage', { timeout: LIMIT_MS }, (stageCase) => {
  test.each([
    { name: 'PostgreSQL', own: ownDatabase, as: 'database' },
    { name: 'NATS', own: ownBroker, as: 'broker' },
  ])('$name is killed and started again: nothing is lost, doubled or counted', async (server) => {
    await using its = await server.own();
    await using fleet = await createStageFleet(stageCase, {}, { [server.as]: its });
    await atWork(fleet);
    await using worker = fleet.start();
    await called(fleet, 40);
    await its.kill();
    await its.start();
    expect(await backAfter(fleet, `a restart of ${server.name}`)).toBeLessThan(BACK_MS);
    expect(await finished(fleet)).toEqual(WHOLE);
    worker.kill('SIGTERM');
    await worker.endsWith(0);
  });

  test.each(['stream', 'durable'] as const)(
    'the leader of the %s is killed in a cluster of three: nothing is lost, doubled or counted',
    async (what) => {
      await using cluster = await ownCluster();
      const replicas = { 'log.replicas': '3' };
      await using fleet = await createStageFleet(stageCase, replicas, { broker: cluster });
      await atWork(fleet);
      await using worker = fleet.start();
      await called(fleet, 40);
      const { stream } = fleet.config.log;
      const led =
        what === 'stream'
          ? await cluster.jsm.streams.info(stream)
          : await cluster.jsm.consumers.info(stream, stageCase.durable);
      const leader = led.cluster?.leader ?? '';
      await cluster.kill(leader);
      expect(await backAfter(fleet, `the end of the ${what}'s leader`)).toBeLessThan(BACK_MS);
      expect(await finished(fleet)).toEqual(WHOLE);
      await cluster.start(leader);
      worker.kill('SIGTERM');
      await worker.endsWith(0);
    },
  );
});
