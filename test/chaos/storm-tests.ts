import { describe, expect, test } from 'vitest';
import { type QueueTrace, traceQueue } from '../support/queue-trace.ts';
import { createStageFleet, type StageCase } from './stage-fleet.ts';
import { calm, settingsOf, storm, type StormOrder, stormEvents, waysOf } from './stage-storm.ts';
import { problemsOf, sightingsOf } from './storm-history.ts';
import { differencesOf, tablesOf } from './storm-traces.ts';

export interface StormCase {
  readonly stageCase: StageCase;
  readonly order: StormOrder;
  /** The name of its test. */
  readonly name: string;
}

/** A storm of one stage. */
export function stormCase(stageCase: StageCase, order: StormOrder): StormCase {
  const by = order === 'log' ? 'in the order of the log' : 'tenant by tenant';
  return { stageCase, order, name: `the ${stageCase.stage} stage, ${by}` };
}

/**
 * Workers of a stage, killed repeatedly in every possible way. MEMFLEET_TEST_EVENTS sets the number of
 * events they must process, MEMFLEET_TEST_SEED determines when they die.
 */
export function testStorms(usually: number, cases: readonly StormCase[]): void {
  const events = Number(process.env['MEMFLEET_TEST_EVENTS'] ?? usually);
  const seed = Number(process.env['MEMFLEET_TEST_SEED'] ?? 1);
  const limitMs = 240_000 + events * 400;

  describe.each(cases)('$name', { timeout: limitMs }, ({ stageCase, order, name }) => {
    // Far more than a worker holds at once, or nothing would get done; and several lives a way.
    const shortest = Math.ceil(400 / waysOf(order).length);
    const life = Math.min(300, Math.max(shortest, Math.ceil(events / 20)));
    const settings = Object.fromEntries(
      Object.entries(settingsOf(order)).map(([key, value]) => [
        `stages.${stageCase.stage}.${key}`,
        value,
      ]),
    );

    test(`${events} events, workers killed in every way: each event has its one effect`, async () => {
      const all = stormEvents(events);
      await using quiet = await createStageFleet(stageCase, settings);
      const undisturbed = await calm(quiet, all);
      expect(problemsOf(undisturbed)).toEqual([]);

      await using fleet = await createStageFleet(stageCase, settings);
      const queue = await traceQueue(fleet.database.pool);
      const history = await storm(fleet, all, { seed, order, life });
      const seen = { ...sightingsOf(history), queue: await queue() };
      process.stderr.write(`${name}, seed ${seed}: ${JSON.stringify(seen)}\n`);
      expect(problemsOf(history)).toEqual([]);
      expect(differencesOf(await tablesOf(fleet), await tablesOf(quiet))).toEqual([]);
      // It has been through something.
      expect(waysOf(order).filter((way) => (seen.kills[way] ?? 0) === 0)).toEqual([]);
      expect(seen.abandoned).toBeGreaterThan(0);
      expect(seen.repeatedCalls).toBeGreaterThan(0);
      expect(againOf(order, seen)).toBeGreaterThan(0);
      expect(seen.queue.put > 0).toBe(order === 'turns');
    });
  });
}

/** Redeliveries, as they occur in that order. */
function againOf(
  order: StormOrder,
  seen: { readonly redeliveries: number; readonly queue: QueueTrace },
): number {
  return order === 'log' ? seen.redeliveries : seen.queue.takenAgain;
}
