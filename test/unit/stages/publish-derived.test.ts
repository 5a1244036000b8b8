import { setImmediate as turn } from 'node:timers/promises';
import { type Envelope, EventError, type Publisher } from '@memfleet/events';
import { expect, test } from 'vitest';
import { DerivedPublisher } from '../../../shared/stages/src/pipeline/publish-derived.ts';
import { memoryCreated } from '../../support/events.ts';
import { silent } from '../../support/stage.ts';

test('a refused chunk is tried in parts, a few at a time, and only the bad cause is refused', async () => {
  let [running, most] = [0, 0];
  const publisher = {
    prepareAgain: (event: Envelope) => event,
    async appendBatch(events: readonly { readonly id: string }[]) {
      running += 1;
      most = Math.max(most, running);
      await turn();
      running -= 1;
      if (events.some(({ id }) => id === '7')) throw new EventError('APPEND_REFUSED', 'not this');
    },
  } as unknown as Publisher;
  const items = Array.from({ length: 1_200 }, (_, index) => ({
    eventKey: `${index}`,
    events: [{ ...memoryCreated('a note'), id: `${index}` }],
  }));
  const answers = await new DerivedPublisher(publisher, silent).publish(items);
  const refused = items.filter((item) => answers.get(item) !== 'published');
  expect(refused.map(({ eventKey }) => eventKey)).toEqual(['7']);
  // A server takes 50 atomic batches at a time, from all processes.
  expect(most).toBeLessThanOrEqual(16);
});
