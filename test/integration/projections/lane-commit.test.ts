import { hashTables, ProjectionWriter, schemaOf } from '@memfleet/projections';
import { pull } from '@memfleet/runtime';
import { expect, test } from 'vitest';
import { LaneLost, takeCheckpoint } from '../../../workers/projection/src/engine/checkpoint.ts';
import { Committer } from '../../../workers/projection/src/engine/commit.ts';
import { ParkedKeys } from '../../../workers/projection/src/engine/parked-keys.ts';
import { EventReader } from '../../../workers/projection/src/engine/read-event.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { changeDatabase } from '../../support/database.ts';
import { contents, created, notesFleet, parked, revised } from '../../support/notes-fleet.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const ID = { projection: 'notes', generation: 1, lane: 0 };

test('a lane waits for the database to recover: it parks and loses no event', async () => {
  await using fleet = await notesFleet(broker, {
    'projections.batch': '10',
    'workers.report': '100ms',
  });
  const name = new URL(fleet.url).pathname.slice(1);
  const events = Array.from({ length: 400 }, (_, index) => created(`m-${index}`, `c-${index}`));
  await appendAll(broker, fleet.config, events.slice(0, 100));
  const engine = fleet.start();
  await fleet.applied(100);
  // A standby before it is promoted: every write is refused.
  await changeDatabase(fleet.pool, `alter database ${name} set default_transaction_read_only = on`);
  await appendAll(broker, fleet.config, events.slice(100));
  await until('the trouble shows', () => engine.progress.state.state === 'troubled');
  await changeDatabase(
    fleet.pool,
    `begin read write; alter database ${name} reset default_transaction_read_only; commit`,
  );
  await fleet.applied(400);
  expect(Object.keys(await contents(fleet))).toHaveLength(400);
  expect(await parked(fleet)).toEqual([]);
});

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
    room: async () => ({ count }),
    signal: stop.signal,
  });
  const events = [];
  for await (const { messages } of batches) {
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

test('nothing is written under an old epoch', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one')]);
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
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one'), revised('m', 'two')]);
  const events = await readEvents(fleet, 2);
  await takeCheckpoint(fleet.pool, ID, 1n);
  const before = committerOf(fleet, 1n, 0);
  await before.commit(before.prepare(events));
  const hash = await hashTables(fleet.pool, notes, 1);
  // What a retry does: the same batch, from the lane's position before it.
  const retry = committerOf(fleet, 1n, 0);
  await retry.commit(retry.prepare(events));
  expect(retry.position).toBe(2);
  expect(await hashTables(fleet.pool, notes, 1)).toEqual(hash);
});

test('a batch that the client itself refuses leaves nothing behind', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one'), created('n', 'two')]);
  const events = await readEvents(fleet, 2);
  await takeCheckpoint(fleet.pool, ID, 1n);
  // It ends below the position of the lane.
  const lane = committerOf(fleet, 1n, 10);
  await expect(lane.commit(lane.prepare(events))).rejects.toThrow(/cannot go back/);
  expect(await contents(fleet)).toEqual({});
});
