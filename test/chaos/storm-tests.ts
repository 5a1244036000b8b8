import { describe, expect, test } from 'vitest';
import { createStageFleet, STAGES } from './stage-fleet.ts';
import { calm, storm, STORM_SETTINGS, STORM_WAYS, stormEvents } from './stage-storm.ts';
import { problemsOf, sightingsOf } from './storm-history.ts';
import { differencesOf, tablesOf } from './storm-traces.ts';

/**
 * Workers of both stages, killed again and again in every way there is. MEMFLEET_TEST_EVENTS says how
 * many events they have to bring through it, MEMFLEET_TEST_SEED when they die.
 */
export function testStorms(usually: number): void {
  const events = Number(process.env['MEMFLEET_TEST_EVENTS'] ?? usually);
  const seed = Number(process.env['MEMFLEET_TEST_SEED'] ?? 1);
  // Far more than a worker holds at once, or nothing would get done; and several lives a way.
  const life = Math.min(300, Math.max(60, Math.ceil(events / 20)));
  const limitMs = 240_000 + events * 400;

  describe.each(STAGES)('the $stage stage', { timeout: limitMs }, (stageCase) => {
    const settings = Object.fromEntries([
      ...Object.entries(STORM_SETTINGS).map(([name, value]) => [
        `stages.${stageCase.stage}.${name}`,
        value,
      ]),
      // What is delivered again is counted at the durable.
      [`stages.${stageCase.stage}.fairness.after`, '1h'],
    ]) as Record<string, string>;

    test(`${events} events, workers killed in every way: each event has its one effect`, async () => {
      const all = stormEvents(events);
      await using quiet = await createStageFleet(stageCase, settings);
      const undisturbed = await calm(quiet, all);
      expect(problemsOf(undisturbed)).toEqual([]);

      await using fleet = await createStageFleet(stageCase, settings);
      const history = await storm(fleet, all, { seed, life });
      const seen = sightingsOf(history);
      process.stderr.write(`${stageCase.stage}, seed ${seed}: ${JSON.stringify(seen)}\n`);
      expect(problemsOf(history)).toEqual([]);
      expect(differencesOf(await tablesOf(fleet), await tablesOf(quiet))).toEqual([]);
      // It has been through something.
      expect(STORM_WAYS.filter((way) => (seen.kills[way] ?? 0) === 0)).toEqual([]);
      expect(seen.redeliveries).toBeGreaterThan(0);
      expect(seen.abandoned).toBeGreaterThan(0);
      expect(seen.repeatedCalls).toBeGreaterThan(0);
    });
  });
}
