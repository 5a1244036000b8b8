import { DEAD_LETTER_HEADERS, type Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';
import { unreadableHeaders } from '../../support/unreadable-headers.ts';
import { until } from '../../support/until.ts';

const STAGE: Stage = {
  name: 'test',
  version: 1,
  async handle(event, { sequence }) {
    return {
      kind: 'done',
      events: [nothingExtracted(event, sequence, { name: 'test', version: 1 })],
    };
  },
};

/** Publishes with headers that cannot be read. */
async function publish({ broker, config }: StageBench, payload: string): Promise<void> {
  const subject = `${config.log.root}.acme.note.content.created`;
  await broker.jetstream.publish(subject, payload, { headers: unreadableHeaders() });
}

test('an event whose headers cannot be read is worked on, or parked, like any other', async () => {
  await using bench = await createStageBench();
  await publish(bench, 'not an event');
  await publish(bench, JSON.stringify(memoryCreated('said')));
  await bench.publish(memoryCreated('another'));
  const { progress } = bench.start(STAGE);
  await bench.settled();
  // The server knows about an ack before its confirmation arrives.
  await until('all three are counted', () => progress.processed === 3);
  expect(progress.counts).toEqual({ done: 2, parked: 1 });
  expect([await bench.derived(), await bench.deadLetters()]).toEqual([2, 1]);
  const letter = await bench.broker.jsm.streams.getMessage(bench.config.deadLetters.stream, {
    seq: 1,
  });
  expect(Buffer.from(letter?.data ?? []).toString()).toBe('not an event');
  expect(letter?.header.get(DEAD_LETTER_HEADERS.reason)).toBe('invalid_event');
});

test.each([
  ['an event', JSON.stringify(memoryCreated('said')), { done: 1 }],
  ['nothing', '', { parked: 1 }],
])(
  '%s with headers that cannot be read comes by the tenant queue as well',
  async (_, body, counts) => {
    await using bench = await createStageBench();
    await publish(bench, body);
    await bench.database.pool.query(
      `insert into memfleet.tenant_queue (stage, tenant, sequence) values ('test', 'acme', 1)`,
    );
    const consumer = await bench.broker.jetstream.consumers.get(
      bench.config.log.stream,
      'extraction',
    );
    // Only the queue has the event.
    (await consumer.next())?.ack();
    const troubles: string[] = [];
    void (async () => {
      for await (const { type } of bench.broker.connection.status()) troubles.push(type);
    })();
    const { progress } = bench.start(STAGE);
    await until('its row is gone', async () => {
      const { rows } = await bench.database.pool.query('select from memfleet.tenant_queue');
      return rows.length === 0;
    });
    await until('it is counted', () => progress.processed === 1);
    expect([progress.counts, await bench.derived(), troubles]).toEqual([
      counts,
      'done' in counts ? 1 : 0,
      [],
    ]);
  },
);
