import { setTimeout as delay } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { replies } from '../support/model-service.ts';
import { until } from '../support/until.ts';
import { answer, called, createStageFleet, type StageFleet } from './stage-fleet.ts';

// Long beside what a busy machine takes for everything else.
const CALL_MS = 500;
const SLOTS = 4;
/** Six calls a slot. */
const WINDOW_MS = 3_000;

/** Calls a second over a window that begins now. */
async function rateOf({ model }: StageFleet): Promise<number> {
  const [calls, startedAt] = [model.calls.length, performance.now()];
  // The window is what is measured; nothing is waited for.
  await delay(WINDOW_MS);
  return ((model.calls.length - calls) * 1_000) / (performance.now() - startedAt);
}

test('a second process raises the throughput, and the death of one loses and doubles nothing', async () => {
  await using fleet = await createStageFleet(
    {
      stage: 'extraction',
      durable: 'extraction',
      provider: { kind: 'openai-compatible', model: 'test-model', apiKey: 'key' },
    },
    { 'stages.extraction.concurrency': String(SLOTS) },
  );
  fleet.model.respond((call) => replies.slow(CALL_MS, answer(call)));
  const events = 120;
  await fleet.publish(events);
  await using one = fleet.start();
  await one.ready();
  await called(fleet, 2 * SLOTS);
  const alone = await rateOf(fleet);

  await using other = fleet.start();
  await other.ready();
  // Both have all their slots at work.
  await until('two processes call', async () => (await fleet.claimed()) >= 2 * SLOTS - 1);
  const together = await rateOf(fleet);
  expect(alone).toBeLessThanOrEqual((SLOTS * 1_000) / CALL_MS + 1);
  expect(together / alone).toBeGreaterThan(1.5);

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
  // What the dead one was calling for is called for again, and nothing else.
  expect(fleet.model.calls.length).toBeLessThanOrEqual(events + SLOTS);
  one.kill('SIGTERM');
  await one.endsWith(0);
});
