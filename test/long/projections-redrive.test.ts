import { createEvent, type Envelope } from '@memfleet/events';
import {
  hashTables,
  type Projection,
  readParkedKeys,
  readRedriven,
  type Redriven,
  requestRedrives,
} from '@memfleet/projections';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { notes } from '../integration/projections/notes/projection.ts';
import { appendAll, createTestFleet, type TestFleet } from '../integration/projections/support.ts';
import { connectTestBroker, type TestBroker } from '../support/broker.ts';
import { testSettings } from '../support/settings.ts';
import { until } from '../support/until.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

/** The notes with every content ending in a point, which no content is poison to. */
const mended: Projection = {
  ...notes,
  handlers: {
    ...notes.handlers,
    'memory.created': (event, at) => {
      const { content } = event.data;
      const calm = { ...event, data: { ...event.data, content: `${content}.` } };
      return notes.handlers['memory.created']?.(calm, at) ?? [];
    },
  },
};
/** The same with a defect. */
const broken: Projection = {
  ...mended,
  handlers: {
    ...mended.handlers,
    'memory.created': (event, at) => {
      if (event.data.content === 'thrown') throw new Error('no such note');
      return mended.handlers['memory.created']?.(event, at) ?? [];
    },
  },
};

function said(memory: string, content: string, verb: 'created' | 'revised' = 'revised'): Envelope {
  return createEvent({
    tenant: 't',
    memory,
    type: `memory.${verb}`,
    source: '/test',
    data: { content },
  });
}

/** Asks for everything that is parked, and waits for what comes of it. */
async function redriven({ pool }: TestFleet): Promise<Redriven[]> {
  const keys = await readParkedKeys(pool, { projection: 'notes' });
  await requestRedrives(pool, keys);
  return await until('all are tried again', async () => {
    const done = await readRedriven(pool, keys);
    return done.length === keys.length && done.toSorted((a, b) => (a.memory < b.memory ? -1 : 1));
  });
}

test.each(['1', '8'])(
  'redriven, parked memories are as if they had never waited, in %s lanes',
  async (lanes) => {
    const config = testSettings({ 'projections.lease': '1s', 'projections.lanes': lanes });
    await using fleet = await createTestFleet(broker, config, [broken]);
    const twice = said('throws', 'second');
    const log = [
      said('good', 'one', 'created'),
      said('throws', 'thrown', 'created'),
      said('refuses', 'before'),
      said('refuses', 'refused'),
      twice,
      said('throws', 'third'),
      twice,
      said('good', 'two'),
    ];
    await appendAll(broker, config, log);
    const engine = fleet.start();
    await fleet.applied(log.length);
    await engine.stop();
    expect(await readParkedKeys(fleet.pool, {})).toMatchObject([
      { memory: 'throws', sequence: 2, events: 4, reason: 'the handler failed: no such note' },
      { memory: 'refuses', sequence: 4, events: 1 },
    ]);

    // The fix is deployed; of one memory only.
    const again = fleet.start({}, [mended]);
    const refused = expect.stringMatching(/^position 4: the row was refused/) as string;
    expect(await redriven(fleet)).toMatchObject([
      { memory: 'refuses', applied: 0, reason: refused },
      { memory: 'throws', applied: 4, reason: null },
    ]);
    const more = [said('throws', 'fourth'), said('refuses', 'last')];
    await appendAll(broker, config, more);
    await fleet.applied(log.length + 2);
    expect(await readParkedKeys(fleet.pool, {})).toMatchObject([
      { memory: 'refuses', sequence: 4, events: 2 },
    ]);

    await fleet.pool.query('alter table notes_1.notes drop constraint notes_content_check');
    expect(await redriven(fleet)).toMatchObject([{ memory: 'refuses', applied: 2, reason: null }]);
    await appendAll(broker, config, [said('refuses', 'really the last')]);
    await fleet.applied(log.length + 3);
    expect(await readParkedKeys(fleet.pool, {})).toEqual([]);

    await again.stop();
    await using undisturbed = await createTestFleet(broker, config, [mended]);
    await undisturbed.pool.query('alter table notes_1.notes drop constraint notes_content_check');
    undisturbed.start();
    await undisturbed.applied(log.length + 3);
    expect(await hashTables(fleet.pool, mended, 1)).toEqual(
      await hashTables(undisturbed.pool, mended, 1),
    );
    const { rows } = await fleet.pool.query(
      'select memory, content from memory.notes order by memory',
    );
    expect(rows).toEqual([
      { memory: 'good', content: 'two' },
      { memory: 'refuses', content: 'really the last' },
      { memory: 'throws', content: 'fourth' },
    ]);
  },
);
