import { expect, test } from 'vitest';
import { replies } from '../support/model-service.ts';
import type { WorkerProcess } from '../support/worker-process.ts';
import { answer, called, createStageFleet } from './stage-fleet.ts';

const CALL_MS = 500;
const SLOTS = 4;

test('a second process raises the throughput, and the death of one neither loses nor doubles an event', async () => {
  await using fleet = await createStageFleet(
    {
      stage: 'extraction',
      durable: 'extraction',
      provider: { kind: 'openai-compatible', model: 'test-model', apiKey: 'key' },
    },
    // The service is slow here, which is no outage.
    { 'stages.extraction.concurrency': String(SLOTS), 'stages.extraction.deadline': '5m' },
  );
  // The service answers nobody for now, so that the calls in progress are those that fit.
  const answers = Promise.withResolvers<void>();
  fleet.model.respond(async (call) => {
    await answers.promise;
    return replies.slow(CALL_MS, answer(call));
  });
  const events = 120;
  await fleet.publish(events);
  // The service knows its callers by their keys.
  const start = (key: string): WorkerProcess =>
    fleet.start({ MEMFLEET_STAGES_EXTRACTION_PROVIDER_API_KEY: key });
  await using one = start('one');
  await called(fleet, SLOTS);

  await using other = start('other');
  // Throughput is calls in progress divided by the time of a call: twice as many, with no more per process.
  await called(fleet, 2 * SLOTS);
  const callers = fleet.model.calls.map(({ headers }) => headers['authorization']);
  expect(callers.filter((key) => key === 'Bearer one')).toHaveLength(SLOTS);
  expect(callers.filter((key) => key === 'Bearer other')).toHaveLength(SLOTS);
  answers.resolve();
  // Killed while both work.
  await called(fleet, 4 * SLOTS);

  other.kill('SIGKILL');
  await other.endsWith('SIGKILL');
  await fleet.settled();
  expect(await fleet.effects()).toEqual({
    done: events,
    parked: 0,
    derived: events,
    distinct: events,
    deadLetters: 0,
  });
  // Only the calls of the dead process are repeated.
  expect(fleet.model.calls.length).toBeLessThanOrEqual(events + SLOTS);
  one.kill('SIGTERM');
  await one.endsWith(0);
});
