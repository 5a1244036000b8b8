import { defineEventType, registry } from '@memfleet/events';
import { laneStatus, readParkedKeys, readRedriven, requestRedrives } from '@memfleet/projections';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { brokerOfFile, laggingReplica } from '../../support/broker.ts';
import { contents, created, notesFleet, parked, revised } from '../../support/notes-fleet.ts';
import { appendAll, appendBytes } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';

const broker = brokerOfFile();

test('a failing event parks its memory in order, and all other events are applied', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [
    created('good', 'one'),
    created('throws', 'thrown'),
    created('refuses', 'before'),
    created('refuses', 'refused'),
    revised('throws', 'later'),
    revised('good', 'two'),
  ]);
  const first = fleet.start();
  await fleet.applied(6);
  await first.stop();
  const waiting: [string, number, string][] = [
    ['refuses', 4, expect.stringContaining('the row was refused') as string],
    ['throws', 2, 'the handler failed: no such note'],
    ['throws', 5, 'waits for 2'],
  ];
  expect(await contents(fleet)).toEqual({ good: 'two', refuses: 'before' });
  expect(await parked(fleet)).toEqual(waiting);

  // Another process also knows which memories wait.
  await appendAll(broker, fleet.config, [
    revised('throws', 'more'),
    created('new', 'three'),
    revised('refuses', 'after'),
  ]);
  fleet.start();
  await fleet.applied(9);
  expect(await contents(fleet)).toEqual({ good: 'two', refuses: 'before', new: 'three' });
  expect(await parked(fleet)).toEqual([
    waiting[0],
    ['refuses', 9, 'waits for 4'],
    ...waiting.slice(1),
    ['throws', 7, 'waits for 2'],
  ]);
  expect(await laneStatus(fleet.pool)).toMatchObject([
    { position: 9, state: 'running', parkedKeys: 2, parkedEvents: 5 },
  ]);
});

test('an event that a replica lacks so far does not count as erased in a redrive', async () => {
  await using fleet = await notesFleet(broker);
  const { pool, config } = fleet;
  await appendAll(broker, config, [created('throws', 'thrown'), revised('throws', 'later')]);
  fleet.start({ jsm: laggingReplica(broker) });
  await fleet.applied(2);
  const before = await parked(fleet);
  expect(before).toHaveLength(2);
  const keys = await readParkedKeys(pool, {});
  await requestRedrives(pool, keys);
  await until('it is tried again', async () => (await readRedriven(pool, keys)).length === 1);
  expect(await parked(fleet)).toEqual(before);
});

test('bytes that are no event park the memory named by their subject', async () => {
  await using fleet = await notesFleet(broker);
  const { root } = fleet.config.log;
  await appendBytes(broker, `${root}.t.broken.content.created`, '{"half');
  await appendBytes(broker, `${root}.t.b%d.content.created`, 'null');
  await appendAll(broker, fleet.config, [revised('broken', 'x'), created('good', 'one')]);
  fleet.start();
  await fleet.applied(4);
  expect(await contents(fleet)).toEqual({ good: 'one' });
  expect(await parked(fleet)).toEqual([
    ['broken', 1, 'the bytes are not JSON'],
    ['broken', 3, 'waits for 1'],
    ['unknown', 2, expect.any(String)],
  ]);
});

test('an event of a newer version halts the lane before it, and skips nothing', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [
    created('good', 'one'),
    { ...revised('good', 'two'), schemaversion: 9 },
    revised('good', 'three'),
  ]);
  const engine = fleet.start();
  const halted = await until('the lane says that it is halted', async () => {
    const [lane] = await laneStatus(fleet.pool);
    return lane?.state === 'halted' ? lane : undefined;
  });
  expect(halted.position).toBe(1);
  expect(halted.owner).toBe(engine.instance);
  expect(halted.cause).toContain('position 2: memory.revised version 9 is newer');
  expect(engine.progress.state).toMatchObject({ state: 'halted' });
  expect(await contents(fleet)).toEqual({ good: 'one' });
  expect(await parked(fleet)).toEqual([]);
});

test('if so configured, an event of a newer version or an unknown type parks only its memory', async () => {
  await using fleet = await notesFleet(broker, { 'projections.onNewer': 'park' });
  const dreamt = { ...created('dreamer', 'x'), type: 'memory.dreamt' };
  await appendAll(broker, fleet.config, [
    created('late', 'one'),
    { ...revised('late', 'two'), schemaversion: 9 },
    dreamt,
    created('good', 'one'),
    revised('late', 'three'),
  ]);
  fleet.start();
  await fleet.applied(5);
  expect(await contents(fleet)).toEqual({ good: 'one', late: 'one' });
  expect(await parked(fleet)).toEqual([
    ['dreamer', 3, 'unknown event type memory.dreamt'],
    ['late', 2, 'memory.revised version 9 is newer than 2, the newest known here'],
    ['late', 5, 'waits for 2'],
  ]);
  expect(await laneStatus(fleet.pool)).toMatchObject([{ position: 5, state: 'running' }]);
});

/** Types of a module that are read by the notes, since their verbs are theirs as well. */
const strict = z.strictObject({ content: z.string() });
const MODULE_TYPES = [
  defineEventType({
    type: 'strict.created',
    eventClass: 'content',
    summary: 'Quotes the name of a field that it does not know',
    versions: { 1: strict },
    latest: strict,
    upcasters: [],
    fixtures: [],
  }),
  defineEventType({
    type: 'quoting.created',
    eventClass: 'content',
    summary: 'Quotes what cannot be upcast',
    versions: { 1: z.looseObject({}), 2: strict },
    latest: strict,
    upcasters: [
      {
        from: 1,
        to: 2,
        upcast: (data: Record<string, unknown>) => {
          throw new Error(`cannot read ${Object.keys(data).join(', ')}`);
        },
      },
    ],
    fixtures: [],
  }),
];

test.each([
  ['U+0000', 'strict.created', 'a\u0000b', 'a\ufffdb'],
  ['half a character', 'strict.created', 'a\ud83d', 'a\ufffd'],
  ['U+0000 in an upcaster', 'quoting.created', 'a\u0000b', 'a\ufffdb'],
])(
  'a reason that PostgreSQL would refuse parks its memory all the same: %s',
  async (_, type, field, shown) => {
    if (registry.definition(type) === undefined) registry.add(MODULE_TYPES);
    await using fleet = await notesFleet(broker);
    const odd = { ...created('odd', 'x'), type, schemaversion: 1, data: { [field]: 1 } };
    await appendAll(broker, fleet.config, [odd, created('good', 'one')]);
    fleet.start();
    await fleet.applied(2);
    expect(await contents(fleet)).toEqual({ good: 'one' });
    expect(await parked(fleet)).toEqual([['odd', 1, expect.stringContaining(shown)]]);
    const { pool } = fleet;
    const keys = await readParkedKeys(pool, {});
    await requestRedrives(pool, keys);
    const redriven = await until('it is tried again', async () => {
      const found = await readRedriven(pool, keys);
      return found.length === 1 && found;
    });
    expect(redriven).toMatchObject([
      { applied: 0, reason: expect.stringContaining(shown) as string },
    ]);
    expect(await parked(fleet)).toEqual([['odd', 1, expect.stringContaining(shown)]]);
  },
);

test('a row of the lane itself that is refused halts it, and is not tried for ever', async () => {
  await using fleet = await notesFleet(broker);
  const { pool } = fleet;
  await pool.query(
    `alter table memfleet.parked_events add constraint planted check (memory <> 'throws')`,
  );
  await appendAll(broker, fleet.config, [created('throws', 'thrown'), created('good', 'one')]);
  fleet.start();
  const halted = await until('the lane is halted', async () => {
    const [lane] = await laneStatus(pool);
    return lane?.state === 'halted' ? lane : undefined;
  });
  expect(halted).toMatchObject({
    position: 0,
    cause: expect.stringContaining('planted') as string,
  });
  await pool.query('alter table memfleet.parked_events drop constraint planted');
  await fleet.applied(2);
  expect(await parked(fleet)).toEqual([['throws', 1, 'the handler failed: no such note']]);
});
