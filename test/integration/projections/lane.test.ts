import { createEvent, type Envelope } from '@memfleet/events';
import {
  findRunnable,
  hashTables,
  laneStatus,
  leaseOf,
  ProjectionWriter,
  provisionFleet,
  schemaOf,
} from '@memfleet/projections';
import { acquireLease, pull } from '@memfleet/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { LaneLost, takeCheckpoint } from '../../../workers/projection/src/engine/checkpoint.ts';
import { Committer } from '../../../workers/projection/src/engine/commit.ts';
import { ParkedKeys } from '../../../workers/projection/src/engine/parked-keys.ts';
import { EventReader } from '../../../workers/projection/src/engine/read-event.ts';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { testSettings } from '../../support/settings.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';
import { appendAll, appendBytes, createTestFleet, type TestFleet } from './support.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

const ID = { projection: 'notes', generation: 1, lane: 0 };

function said(memory: string, content: string, verb: 'created' | 'revised' = 'created'): Envelope {
  return createEvent({
    tenant: 't',
    memory,
    type: `memory.${verb}`,
    source: '/test',
    data: { content },
  });
}

async function notesFleet(flags: Readonly<Record<string, string>> = {}): Promise<TestFleet> {
  const config = testSettings({ 'projections.lease': '1s', ...flags });
  return await createTestFleet(broker, config, [notes]);
}

async function contents({ pool }: TestFleet): Promise<Record<string, string>> {
  const { rows } = await pool.query<{ memory: string; content: string }>(
    'select memory, content from memory.notes',
  );
  return Object.fromEntries(rows.map(({ memory, content }) => [memory, content]));
}

async function parked({ pool }: TestFleet): Promise<[string, number, string][]> {
  const { rows } = await pool.query<{ memory: string; sequence: string; reason: string }>(
    'select memory, sequence, reason from memfleet.parked_events order by memory, sequence',
  );
  return rows.map(({ memory, sequence, reason }) => [memory, Number(sequence), reason]);
}

test('a failing event parks its memory in order, and everything else flows', async () => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [
    said('good', 'one'),
    said('throws', 'thrown'),
    said('refuses', 'before'),
    said('refuses', 'refused'),
    said('throws', 'later', 'revised'),
    said('good', 'two', 'revised'),
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

  // Another process knows which memories wait.
  await appendAll(broker, fleet.config, [
    said('throws', 'more', 'revised'),
    said('new', 'three'),
    said('refuses', 'after', 'revised'),
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

test('bytes that are no event park the memory that their subject names', async () => {
  await using fleet = await notesFleet();
  const { root } = fleet.config.log;
  await appendBytes(broker, `${root}.t.broken.content.created`, '{"half');
  await appendBytes(broker, `${root}.t.b%d.content.created`, 'null');
  await appendAll(broker, fleet.config, [said('broken', 'x', 'revised'), said('good', 'one')]);
  fleet.start();
  await fleet.applied(4);
  expect(await contents(fleet)).toEqual({ good: 'one' });
  expect(await parked(fleet)).toEqual([
    ['broken', 1, 'the bytes are not JSON'],
    ['broken', 3, 'waits for 1'],
    ['unknown', 2, expect.any(String)],
  ]);
});

test('an event of a newer version halts the lane in front of it, and skips nothing', async () => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [
    said('good', 'one'),
    { ...said('good', 'two', 'revised'), schemaversion: 9 },
    said('good', 'three', 'revised'),
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

test('where so configured, an event of a newer version or an unknown type parks its memory alone', async () => {
  await using fleet = await notesFleet({ 'projections.onNewer': 'park' });
  const dreamt = { ...said('dreamer', 'x'), type: 'memory.dreamt' };
  await appendAll(broker, fleet.config, [
    said('late', 'one'),
    { ...said('late', 'two', 'revised'), schemaversion: 9 },
    dreamt,
    said('good', 'one'),
    said('late', 'three', 'revised'),
  ]);
  fleet.start();
  await fleet.applied(5);
  expect(await contents(fleet)).toEqual({ good: 'one', late: 'one' });
  expect(await parked(fleet)).toEqual([
    ['dreamer', 3, 'unknown event type memory.dreamt'],
    ['late', 2, 'memory.revised version 9 is newer than 1, the newest known here'],
    ['late', 5, 'waits for 2'],
  ]);
  expect(await laneStatus(fleet.pool)).toMatchObject([{ position: 5, state: 'running' }]);
});

test('a copy of an event later in the log has no second effect', async () => {
  await using fleet = await notesFleet({ 'projections.batch': '2' });
  const first = said('m', 'first');
  const second = said('m', 'second', 'revised');
  const third = said('m', 'third', 'revised');
  await appendAll(broker, fleet.config, [first, second, second, third, second, first]);
  fleet.start();
  await fleet.applied(6);
  expect(await contents(fleet)).toEqual({ m: 'third' });
  const { rows } = await fleet.pool.query('select sequence from notes_1.revisions order by 1');
  expect(rows).toEqual([{ sequence: '2' }, { sequence: '4' }]);
});

test('a durable that is set back delivers everything again, to no effect', async () => {
  await using fleet = await notesFleet({ 'projections.batch': '3' });
  const events = Array.from({ length: 20 }, (_, index) => said(`m-${index % 4}`, `c-${index}`));
  await appendAll(broker, fleet.config, events);
  fleet.start();
  await fleet.applied(20);
  const before = await hashTables(fleet.pool, notes, 1);
  await broker.jsm.consumers.reset(fleet.config.log.stream, 'projection-notes-1-0', 1);
  await until('the lane has set its durable to the checkpoint', async () => {
    const info = await broker.jsm.consumers.info(fleet.config.log.stream, 'projection-notes-1-0');
    return info.num_pending === 0 && info.ack_floor.stream_seq >= 20;
  });
  expect(await hashTables(fleet.pool, notes, 1)).toEqual(before);
  await appendAll(broker, fleet.config, [said('m-0', 'last', 'revised')]);
  await fleet.applied(21);
  expect(await contents(fleet)).toMatchObject({ 'm-0': 'last' });
});

test('a stream that was recreated halts the lane, and nothing is overwritten', async () => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [said('m', 'one'), said('n', 'two')]);
  const engine = fleet.start();
  await fleet.applied(2);
  await engine.stop();
  const before = await hashTables(fleet.pool, notes, 1);
  await broker.jsm.streams.delete(fleet.config.log.stream);
  const { config, pool } = fleet;
  await provisionFleet({ config, jsm: broker.jsm, pool, projections: [notes] });
  await appendAll(broker, config, [said('m', 'x'), said('n', 'y'), said('o', 'z')]);
  const again = fleet.start();
  const cause = await until('the lane is halted', async () => {
    const [lane] = await laneStatus(pool);
    return lane?.state === 'halted' && lane.cause;
  });
  expect(cause).toContain('was recreated');
  expect(again.progress.state.state).toBe('halted');
  expect(await hashTables(pool, notes, 1)).toEqual(before);
});

test.each([
  ['it ends before the checkpoint', 'set position = position + 5', 'it ends at 2'],
  ['another event is at the position', `set event_digest = '\\x00'`, 'holds another event'],
])('a stream restored from an older copy halts the lane: %s', async (_, change, cause) => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [said('m', 'one'), said('n', 'two')]);
  const engine = fleet.start();
  await fleet.applied(2);
  await engine.stop();
  await fleet.pool.query(`update memfleet.checkpoints ${change}`);
  fleet.start();
  const found = await until('the lane is halted', async () => {
    const [lane] = await laneStatus(fleet.pool);
    return lane?.state === 'halted' && lane.cause;
  });
  expect(found).toContain('was restored from an older copy');
  expect(found).toContain(cause);
});

test('database trouble is waited out: nothing parked, nothing lost', async () => {
  await using fleet = await notesFleet({ 'projections.batch': '10', 'workers.report': '100ms' });
  const name = new URL(fleet.url).pathname.slice(1);
  const events = Array.from({ length: 400 }, (_, index) => said(`m-${index}`, `c-${index}`));
  await appendAll(broker, fleet.config, events.slice(0, 100));
  const engine = fleet.start();
  await fleet.applied(100);
  // A standby before it is promoted: every write is refused.
  await changeDatabase(fleet, `alter database ${name} set default_transaction_read_only = on`);
  await appendAll(broker, fleet.config, events.slice(100));
  await until('the trouble shows', () => engine.progress.state.state === 'troubled');
  await changeDatabase(
    fleet,
    `begin read write; alter database ${name} reset default_transaction_read_only; commit`,
  );
  await fleet.applied(400);
  expect(Object.keys(await contents(fleet))).toHaveLength(400);
  expect(await parked(fleet)).toEqual([]);
});

/** Every connection is made anew under the change, the one that made it included. */
async function changeDatabase({ pool }: TestFleet, sql: string): Promise<void> {
  const client = await pool.connect();
  await client.query(sql);
  await client.query(
    `select pg_terminate_backend(pid) from pg_stat_activity
      where datname = current_database() and pid <> pg_backend_pid()`,
  );
  client.release(true);
}

/** Events as a lane hands them to its committer. */
async function readEvents(fleet: TestFleet, count: number) {
  const { stream, root } = fleet.config.log;
  const reader = new EventReader(notes, root);
  const consumer = await broker.jetstream.consumers.get(stream, 'projection-notes-1-0');
  const stop = new AbortController();
  const batches = pull(consumer, {
    connection: broker.connection,
    batch: count,
    lingerMs: 1_000,
    room: async () => count,
    signal: stop.signal,
  });
  const events = [];
  for await (const messages of batches) {
    events.push(...messages.map((message) => reader.read(message)));
    if (events.length >= count) stop.abort();
  }
  return events;
}

function committerOf(fleet: TestFleet, epoch: bigint, position: number): Committer {
  return new Committer({
    id: ID,
    epoch,
    pool: fleet.pool,
    writer: new ProjectionWriter(notes, schemaOf('notes', 1)),
    parked: new ParkedKeys(),
    streamCreated: 'then',
    position,
    read: (message) => new EventReader(notes, fleet.config.log.root).read(message),
    readLog: async () => null,
    isBackground: () => false,
    signal: new AbortController().signal,
    onRetry: () => undefined,
    onHeld: () => undefined,
  });
}

test('under an epoch that has passed nothing is written', async () => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [said('m', 'one')]);
  const events = await readEvents(fleet, 1);
  await takeCheckpoint(fleet.pool, ID, 1n);
  const zombie = committerOf(fleet, 1n, 0);
  await takeCheckpoint(fleet.pool, ID, 2n);
  await expect(zombie.commit(zombie.prepare(events))).rejects.toBeInstanceOf(LaneLost);
  await expect(takeCheckpoint(fleet.pool, ID, 1n)).rejects.toBeInstanceOf(LaneLost);
  expect(await contents(fleet)).toEqual({});
  const heir = committerOf(fleet, 2n, 0);
  expect(await heir.commit(heir.prepare(events))).toEqual({ applied: 1, parked: 0 });
  expect(await contents(fleet)).toEqual({ m: 'one' });
});

test('a transaction whose commit had no answer is recognised, not repeated', async () => {
  await using fleet = await notesFleet();
  await appendAll(broker, fleet.config, [said('m', 'one'), said('m', 'two', 'revised')]);
  const events = await readEvents(fleet, 2);
  await takeCheckpoint(fleet.pool, ID, 1n);
  const before = committerOf(fleet, 1n, 0);
  await before.commit(before.prepare(events));
  const hash = await hashTables(fleet.pool, notes, 1);
  // What a retry does: the same batch, from where the lane stood before it.
  const retry = committerOf(fleet, 1n, 0);
  await retry.commit(retry.prepare(events));
  expect(retry.position).toBe(2);
  expect(await hashTables(fleet.pool, notes, 1)).toEqual(hash);
});

test('a lane goes to another worker when its own is gone, and to one only', async () => {
  await using fleet = await notesFleet();
  const first = fleet.start();
  const second = fleet.start();
  const owner = async (): Promise<string | undefined> =>
    (await laneStatus(fleet.pool)).find(({ state }) => state === 'running')?.owner;
  const before = await until('one of them has it', owner);
  const [holder, other] = before === first.instance ? [first, second] : [second, first];
  await appendAll(broker, fleet.config, [said('m', 'one')]);
  await fleet.applied(1);
  expect(await acquireLease(fleet.pool, leaseOf(ID), 'third', 1_000)).toBeUndefined();
  await holder.stop();
  await until('the other has taken over', async () => (await owner()) === other.instance);
  await appendAll(broker, fleet.config, [said('m', 'two', 'revised')]);
  await fleet.applied(2);
  expect(await contents(fleet)).toEqual({ m: 'two' });
});

test('lanes are shared among live workers', async () => {
  await using fleet = await notesFleet({ 'projections.lanes': '8', 'workers.report': '50ms' });
  const first = fleet.start({ instance: 'first' });
  const held = async (): Promise<Record<string, number>> => {
    const lanes = await laneStatus(fleet.pool);
    return Object.fromEntries(
      ['first', 'second'].map((name) => [name, lanes.filter(({ owner }) => owner === name).length]),
    );
  };
  await until('the first has all', async () => (await held())['first'] === 8);
  await fleet.pool.query(
    `insert into memfleet.worker_reports (instance, worker, host, pid, state, in_flight, processed, rate)
      select name, 'projection', 'h', 1, 'idle', 0, 0, 0 from unnest(array['first', 'second']) as name`,
  );
  fleet.start({ instance: 'second' });
  await until('both have four', async () => {
    const now = await held();
    return now['first'] === 4 && now['second'] === 4;
  });
  await first.stop();
  await fleet.pool.query(`delete from memfleet.worker_reports where instance = 'first'`);
  await until('the second has all', async () => (await held())['second'] === 8);
  expect(await held()).toEqual({ first: 0, second: 8 });
});

test('a durable that is deleted ends the engine', async () => {
  await using fleet = await notesFleet();
  const engine = fleet.start();
  await until('the lane runs', async () => (await laneStatus(fleet.pool))[0]?.state === 'running');
  await broker.jsm.consumers.delete(fleet.config.log.stream, 'projection-notes-1-0');
  await expect(engine.ended).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
  await expect(
    findRunnable({ config: fleet.config, jsm: broker.jsm, db: fleet.pool, projections: [notes] }),
  ).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
});
