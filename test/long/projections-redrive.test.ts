import {
  hashTables,
  type Projection,
  readParkedKeys,
  readRedriven,
  type Redriven,
  requestRedrives,
} from '@memfleet/projections';
import { expect, test } from 'vitest';
import { notes } from '../integration/projections/notes/projection.ts';
import { brokerOfFile } from '../support/broker.ts';
import { contents, created, revised } from '../support/notes-fleet.ts';
import { testSettings } from '../support/settings.ts';
import { appendAll, createTestFleet, type TestFleet } from '../support/test-fleet.ts';
import { until } from '../support/until.ts';

const broker = brokerOfFile();

/** The notes with a full stop after every content, which no content makes fail. */
const fixed: Projection = {
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
  ...fixed,
  handlers: {
    ...fixed.handlers,
    'memory.created': (event, at) => {
      if (event.data.content === 'thrown') throw new Error('no such note');
      return fixed.handlers['memory.created']?.(event, at) ?? [];
    },
  },
};

/** Requests a redrive of everything parked, and waits for the outcome. */
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
    const twice = revised('throws', 'second');
    const log = [
      created('good', 'one'),
      created('throws', 'thrown'),
      revised('refuses', 'before'),
      revised('refuses', 'refused'),
      twice,
      revised('throws', 'third'),
      twice,
      revised('good', 'two'),
    ];
    await appendAll(broker, config, log);
    const engine = fleet.start();
    await fleet.applied(log.length);
    await engine.stop();
    expect(await readParkedKeys(fleet.pool, {})).toMatchObject([
      { memory: 'throws', sequence: 2, events: 4, reason: 'the handler failed: no such note' },
      { memory: 'refuses', sequence: 4, events: 1 },
    ]);

    // The fix is deployed, and only one memory is redriven.
    const again = fleet.start({}, [fixed]);
    const refused = expect.stringMatching(/^position 4: the row was refused/) as string;
    expect(await redriven(fleet)).toMatchObject([
      { memory: 'refuses', applied: 0, reason: refused },
      { memory: 'throws', applied: 4, reason: null },
    ]);
    const more = [revised('throws', 'fourth'), revised('refuses', 'last')];
    await appendAll(broker, config, more);
    await fleet.applied(log.length + 2);
    expect(await readParkedKeys(fleet.pool, {})).toMatchObject([
      { memory: 'refuses', sequence: 4, events: 2 },
    ]);

    await fleet.pool.query('alter table notes_1.notes drop constraint notes_content_check');
    expect(await redriven(fleet)).toMatchObject([{ memory: 'refuses', applied: 2, reason: null }]);
    await appendAll(broker, config, [revised('refuses', 'really the last')]);
    await fleet.applied(log.length + 3);
    expect(await readParkedKeys(fleet.pool, {})).toEqual([]);

    await again.stop();
    await using undisturbed = await createTestFleet(broker, config, [fixed]);
    await undisturbed.pool.query('alter table notes_1.notes drop constraint notes_content_check');
    undisturbed.start();
    await undisturbed.applied(log.length + 3);
    expect(await hashTables(fleet.pool, fixed, 1)).toEqual(
      await hashTables(undisturbed.pool, fixed, 1),
    );
    expect(await contents(fleet)).toEqual({
      good: 'two',
      refuses: 'really the last',
      throws: 'fourth',
    });
  },
);
