import {
  createEvent,
  type Envelope,
  eventKey,
  type MemoryEventType,
  nameBasedId,
} from '@memfleet/events';
import {
  Fold,
  handlerOf,
  keepVerdicts,
  PROJECTIONS,
  type Projection,
  ProjectionWriter,
  schemaOf,
  startRebuild,
} from '@memfleet/projections';
import { createLogger, type Pool, transaction } from '@memfleet/runtime';
import { expect, test, vi } from 'vitest';
import { findEvents } from '../../../workers/cli/src/events/find.ts';
import { takeSnapshot } from '../../../workers/cli/src/status/snapshot.ts';
import { snapshotLine, snapshotText } from '../../../workers/cli/src/status/text.ts';
import { brokerOfFile, withoutMessages } from '../../support/broker.ts';
import { testSettings } from '../../support/settings.ts';
import { appendAll, createTestFleet, type TestFleet } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';

const broker = brokerOfFile();

/** Looks are as far apart as reports, and a new lane waits for part of a lease. */
const SOON = { 'workers.report': '100ms', 'projections.lease': '1s' };

function projectionsOf(...names: readonly string[]): Projection[] {
  return PROJECTIONS.filter(({ name }) => names.includes(name));
}

/** An event under an id of the given name: the same name is the same event. */
function event(
  name: string,
  data: Readonly<Record<string, unknown>>,
  {
    memory = name,
    type = 'memory.created',
    time = '2026-01-01T00:00:00Z',
  }: { memory?: string; type?: MemoryEventType; time?: string } = {},
): Envelope {
  return createEvent({
    tenant: 't',
    memory,
    type,
    source: '/test',
    id: nameBasedId('copies', name),
    time,
    data,
  });
}

/** A log that keeps its lines, to check who reports what. */
function heardLog() {
  const log = createLogger({ worker: 'test', level: 'silent' });
  return { log, error: vi.spyOn(log, 'error'), warn: vi.spyOn(log, 'warn') };
}

/** [position, first position, verdict] of every copy. */
async function copiesIn(pool: Pool): Promise<[number, number, string | null][]> {
  const { rows } = await pool.query<{ at: number; first: number; verdict: string | null }>(
    `select sequence::int as at, first_sequence::int as first, verdict
      from memfleet.event_copies order by sequence`,
  );
  return rows.map(({ at, first, verdict }) => [at, first, verdict]);
}

async function allJudged({ pool }: TestFleet): Promise<[number, number, string | null][]> {
  return await until('all copies are compared', async () => {
    const copies = await copiesIn(pool);
    return copies.length > 0 && copies.every(([, , verdict]) => verdict !== null) && copies;
  });
}

async function snapshotOf({ config, pool }: TestFleet) {
  const { connection, jsm } = broker;
  return await takeSnapshot({
    config,
    pool,
    connection,
    jsm,
    [Symbol.asyncDispose]: async () => undefined,
  });
}

test('an identical copy is ignored, another payload under the same id is flagged', async () => {
  const config = testSettings({ 'projections.batch': '5', ...SOON });
  await using fleet = await createTestFleet(broker, config, projectionsOf('lineage', 'memories'));
  const recalled = { memory: 'm', type: 'memory.accessed' } as const;
  const others = Array.from({ length: 12 }, (_, index) => event(`o-${index}`, { content: 'x' }));
  const log = [
    event('made', { content: 'first' }),
    event('made', { content: 'second' }),
    event('seen', { by: 'ada' }, recalled),
    event('seen', { by: 'grace' }, recalled),
    event('told', { content: 'same' }),
    event('told', { content: 'same' }, { time: '2026-02-02T00:00:00Z' }),
    ...others,
    event('made', { content: 'third' }),
    event('seen', { by: 'ada' }, recalled),
    event('told', { content: 'same' }),
    event('told', { content: 'same' }, { memory: 'elsewhere' }),
  ];
  await appendAll(broker, config, log);
  const { log: heard, error } = heardLog();
  fleet.start({ log: heard });
  await fleet.applied(log.length);
  expect(await allJudged(fleet)).toEqual([
    [2, 1, 'other'],
    [4, 3, 'other'],
    [6, 5, 'same'],
    [19, 1, 'other'],
    [20, 3, 'same'],
    [21, 5, 'same'],
    [22, 5, 'other'],
  ]);
  await until('the last is reported', () => error.mock.calls.length >= 4);
  const [made, seen, told] = ['made', 'seen', 'told'].map((name) => nameBasedId('copies', name));
  const created = { tenant: 't', type: 'memory.created' };
  expect(error.mock.calls.map(([fields]) => fields)).toEqual([
    { ...created, eventId: made, sequence: 2, firstSequence: 1 },
    { tenant: 't', type: 'memory.accessed', eventId: seen, sequence: 4, firstSequence: 3 },
    { ...created, eventId: made, sequence: 19, firstSequence: 1 },
    { ...created, eventId: told, sequence: 22, firstSequence: 5 },
  ]);

  const snapshot = await snapshotOf(fleet);
  expect(snapshot.conflictingCopies).toMatchObject({ count: 4, unjudged: 0 });
  expect(snapshot.conflictingCopies.latest[0]).toEqual({
    ...created,
    eventId: told,
    sequence: 22,
    firstSequence: 5,
  });
  expect(snapshotText(snapshot)).toMatch(
    /4 events are in the log again with another payload: .*\nEVENT .*\n\S+ +t +memory\.created +5 +22\n/,
  );
  expect(snapshotLine(snapshot, new Date())).toContain('4 events are in the log again');
  const wanted = { id: nameBasedId('copies', 'made'), tenant: 't' };
  const shown = await findEvents(
    { db: fleet.pool, connection: broker.connection, jsm: broker.jsm, log: config.log },
    wanted,
  );
  expect(shown.map(({ sequence }) => sequence)).toEqual([1, 2, 19]);

  // The first of a memory counts.
  const { rows: contents } = await fleet.pool.query(
    `select memory, content from memory.memories where memory in ('made', 'told', 'elsewhere')
      order by memory`,
  );
  expect(contents).toEqual([
    { memory: 'elsewhere', content: 'same' },
    { memory: 'made', content: 'first' },
    { memory: 'told', content: 'same' },
  ]);
  const { rows: recalls } = await fleet.pool.query('select accessed_by from memory.accesses');
  expect(recalls).toEqual([{ accessed_by: 'ada' }]);

  await rebuilt(fleet);
  expect(error).toHaveBeenCalledTimes(4);

  await fleet.pool.query(
    `update memfleet.event_copies set acknowledged_at = now() where sequence <> 19`,
  );
  const later = await snapshotOf(fleet);
  expect(later.conflictingCopies).toMatchObject({ count: 1, latest: [{ sequence: 19 }] });
  expect(snapshotText(later)).toContain('1 event is in the log again with another payload');
});

/** Makes the next generation from the whole log, which must not change the recorded copies. */
async function rebuilt({ config, pool }: TestFleet): Promise<void> {
  const known = async (): Promise<unknown[]> => {
    const { rows } = await pool.query<Record<string, unknown>>(
      'select * from memfleet.event_copies order by sequence',
    );
    return rows;
  };
  const [lineage] = projectionsOf('lineage');
  if (lineage === undefined) throw new Error('there is no lineage');
  const before = await known();
  await startRebuild({ config, jsm: broker.jsm, pool }, lineage);
  await until('the next generation is level', async () => {
    const { rows } = await pool.query<{ level: boolean }>(
      `select count(distinct position) = 1 as level from memfleet.checkpoints
        where projection = 'lineage'`,
    );
    return rows[0]?.level === true;
  });
  expect(await known()).toEqual(before);
}

test('copies left uncompared are compared by the next worker; erased ones cannot be', async () => {
  const config = testSettings(SOON);
  await using fleet = await createTestFleet(broker, config, projectionsOf('lineage'));
  await appendAll(broker, config, [
    event('erased', { content: 'one' }),
    event('kept', { content: 'two' }),
    event('erased', { content: 'three' }),
    event('kept', { content: 'two' }, { memory: 'elsewhere' }),
  ]);
  const first = heardLog();
  // The comparison cannot read the log; the lanes receive it from their durables.
  const jsm = withoutMessages(broker);
  const engine = fleet.start({ log: first.log, jsm });
  await fleet.applied(4);
  await until('it says that it cannot', () =>
    first.warn.mock.calls.some(([fields]) => 'reason' in Object(fields)),
  );
  expect(await copiesIn(fleet.pool)).toEqual([
    [3, 1, null],
    [4, 2, null],
  ]);
  const waiting = await snapshotOf(fleet);
  expect(waiting.conflictingCopies).toMatchObject({ count: 0, unjudged: 2 });
  expect(snapshotText(waiting)).toContain('2 copies have not been compared yet');
  await engine.stop();
  expect(first.error).not.toHaveBeenCalled();

  // Takes the earlier of two messages of one subject out of the log.
  await broker.jsm.streams.update(config.log.stream, { max_msgs_per_subject: 1 });
  const second = heardLog();
  fleet.start({ log: second.log });
  expect(await allJudged(fleet)).toEqual([
    [3, 1, 'erased'],
    [4, 2, 'other'],
  ]);
  await until('it is reported', () => second.error.mock.calls.length > 0);
  expect(second.error.mock.calls.map(([fields]) => fields)).toMatchObject([
    { sequence: 4, firstSequence: 2 },
  ]);

  // Another process that looked at the same time comes too late, and so reports nothing.
  const late = {
    eventKey: eventKey(event('kept', { content: 'two' })),
    sequence: 4,
    firstSequence: 2,
    verdict: 'same',
    tenant: 't',
    eventId: null,
    type: null,
  } as const;
  expect(await keepVerdicts(fleet.pool, [late])).toEqual([]);
  expect((await copiesIn(fleet.pool))[1]).toEqual([4, 2, 'other']);
});

/** Positions of one event, in the batches in which they are met. */
const MEETINGS = [
  [[3], [5], [7]],
  [[3, 5, 7]],
  [[5], [7], [3]],
  [[7], [5], [3]],
  [[7], [3, 5]],
  [[3, 5], [5, 7], [7], [3]],
];

test('copies are recorded the same, in any order and any batches', async () => {
  const [lineage] = projectionsOf('lineage');
  if (lineage === undefined) throw new Error('there is no lineage');
  await using fleet = await createTestFleet(broker, testSettings(), [lineage]);
  const writer = new ProjectionWriter(lineage, schemaOf('lineage', 1));
  for (const [name, batches] of MEETINGS.entries()) {
    const made = event(`made-${name}`, { content: 'x' });
    for (const [index, sequences] of batches.entries()) {
      const fold = new Fold();
      for (const sequence of sequences) addTo(fold, lineage, made, sequence);
      addTo(fold, lineage, event(`neighbour-${name}-${index}`, { content: 'y' }), 100);
      const { write } = writer.prepare(fold);
      await transaction(fleet.pool, async (client) => await write(client));
      // As if each had been compared with the first copy known until then.
      await fleet.pool.query(`update memfleet.event_copies set verdict = 'same'
        where first_sequence > 3`);
    }
    const { rows } = await fleet.pool.query(
      `select sequence from memory.lineage where event_id = $1`,
      [made.id],
    );
    expect(rows).toEqual([{ sequence: '3' }]);
    expect(await copiesIn(fleet.pool), `met as ${JSON.stringify(batches)}`).toEqual([
      [5, 3, null],
      [7, 3, null],
    ]);
    await fleet.pool.query('truncate memfleet.event_copies');
  }
});

function addTo(fold: Fold, projection: Projection, about: Envelope, sequence: number): void {
  const handler = handlerOf(projection, 'memory.created');
  if (handler === undefined) throw new Error('nothing comes of it');
  const at = { sequence, eventKey: eventKey(about) };
  for (const operation of handler(about as Parameters<typeof handler>[0], at)) fold.add(operation);
}
