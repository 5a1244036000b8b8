import { ProviderGate, responseError } from '@memfleet/models';
import { expect, test } from 'vitest';
import { counting } from '../../support/counting-stage.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench } from '../../support/stage.ts';
import { IDENTITY } from '../../support/storing-stage.ts';

test.each([
  [400, 'my billing address'],
  [422, 'access denied, it said'],
  [400, 'the page does not exist'],
])(
  'a text that the service quotes in its refusal (%i, %s) stops no other',
  async (status, text) => {
    await using bench = await createStageBench();
    const gate = new ProviderGate();
    const stage = counting(async (event, { sequence }) => {
      await gate.call(async () => {
        const { content } = event.data as { content: string };
        if (!content.includes(text)) return;
        const error = { message: `invalid input: '${content}'` };
        throw await responseError(Response.json({ error }, { status }));
      });
      return { kind: 'done', events: [nothingExtracted(event, sequence, IDENTITY)] };
    });
    const notes = Array.from({ length: 10 }, (_, index) =>
      memoryCreated(index === 3 ? text : `note ${index}`, { tenant: `tenant-${index}` }),
    );
    await bench.publish(...notes);
    bench.start(stage, { gate });
    await bench.settled();
    expect(gate.cause).toBeUndefined();
    expect([await bench.derived(), await bench.deadLetters()]).toEqual([9, 1]);
    const parked = (await bench.work()).filter(({ state }) => state === 'parked');
    expect(parked).toMatchObject([{ event_id: notes[3]?.id, reason: 'invalid_input' }]);
    expect(stage.calls).toHaveLength(10);
  },
);
