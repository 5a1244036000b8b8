import type { ModelUse } from '@memfleet/events';
import { DEAD_LETTER_HEADERS } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { nothingExtracted } from '../../support/events.ts';
import { createStageBench } from '../../support/stage.ts';
import { callsOf, IDENTITY, notes, storing } from '../../support/storing-stage.ts';

const BAD = 'note 1';
const USE: ModelUse = {
  usage: { calls: 1, input_tokens: 10, output_tokens: 1 },
  cost_usd: 1,
  duration_ms: 1,
  cached: false,
};

test.concurrent.each([
  ['the last statement of its transaction', {}],
  ['followed by that of its cost', { use: USE }],
])('a result whose persist swallows an error (%s) is not taken for recorded', async (_, cost) => {
  await using bench = await createStageBench({
    'stages.extraction.maxAttempts': '2',
    // So that all are in one batch.
    'stages.extraction.linger': '50ms',
  });
  await bench.publish(...notes(3));
  const stage = storing(
    async (db, extras) => {
      if (extras.includes(BAD)) await db.query('select 1 / 0').catch(() => undefined);
    },
    async (event, { sequence }) => ({
      kind: 'done',
      events: [nothingExtracted(event, sequence, IDENTITY)],
      extra: (event.data as { content: string }).content,
      ...cost,
    }),
  );
  bench.start(stage);
  await bench.settled();
  expect((await bench.work()).map(({ state, published }) => [state, published])).toEqual([
    ['done', true],
    ['parked', true],
    ['done', true],
  ]);
  expect(callsOf(stage, BAD)).toBe(2);
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([2, 1]);
  const { deadLetters } = bench.config;
  const letter = await bench.broker.jsm.streams.getMessage(deadLetters.stream, { seq: 1 });
  expect(letter?.header.get(DEAD_LETTER_HEADERS.message)).toContain('its error was not passed on');
});
