import { createEvent } from '@memfleet/events';
import { topologyOf } from '@memfleet/fleet';
import { PROJECTIONS } from '@memfleet/projections';
import { recall } from '@memfleet/recall';
import { provisionTopology } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { connectTestBroker } from '../../support/broker.ts';
import { testSettings, uniqueNames } from '../../support/settings.ts';
import { appendBytes, createTestFleet, subjectOf } from '../../support/test-fleet.ts';

test('a search after a position sees what was appended there, or says why it cannot', async () => {
  await using broker = await connectTestBroker();
  const config = testSettings(uniqueNames());
  await provisionTopology(broker.jsm, topologyOf(config));
  await using fleet = await createTestFleet(broker, config, PROJECTIONS);
  const append = async (memory: string, content: string): Promise<number> => {
    const event = createEvent({
      tenant: 'acme',
      memory,
      type: 'memory.created',
      source: '/test',
      data: { content },
    });
    return await appendBytes(broker, subjectOf(config, event), JSON.stringify(event));
  };
  const first = await append('m-1', 'Ada bought a kayak.');
  // No worker runs yet: waiting ends with the reason.
  await expect(
    recall(fleet.pool, { tenant: 'acme', query: 'kayak', after: first, afterTimeoutMs: 50 }),
  ).rejects.toMatchObject({
    code: expect.stringMatching(/^(?:PROJECTION_BEHIND|LANE_UNOWNED)$/) as string,
  });
  fleet.start();
  for (const number of [2, 3, 4]) {
    const after = await append(`m-${number}`, `Kayak number ${number}.`);
    const { hits } = await recall(fleet.pool, { tenant: 'acme', query: `number ${number}`, after });
    expect(hits[0]?.memory).toBe(`m-${number}`);
  }
});
