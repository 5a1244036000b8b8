import { ProjectionWriter, schemaOf } from '@memfleet/projections';
import { pull } from '@memfleet/runtime';
import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import { takeCheckpoint } from '../../../workers/projection/src/engine/checkpoint.ts';
import { Committer } from '../../../workers/projection/src/engine/commit.ts';
import { ParkedKeys } from '../../../workers/projection/src/engine/parked-keys.ts';
import { EventReader } from '../../../workers/projection/src/engine/read-event.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, notesFleet } from '../../support/notes-fleet.ts';
import { over } from '../../support/over.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const ID = { projection: 'notes', generation: 1, lane: 0 };
const EVENTS = 7;

async function hold({ pool }: TestFleet, position: number): Promise<void> {
  await pool.query(
    `update memfleet.checkpoints set hold_at = $1, hold_until = now() + interval '1 minute'`,
    [position],
  );
}

/** A committer at position 0 whose pool lets another command act before the lane reads its checkpoint. */
async function heldLane(fleet: TestFleet, meanwhile: () => Promise<void>): Promise<Committer> {
  await takeCheckpoint(fleet.pool, ID, 1n);
  const pool = over(fleet.pool, {
    query: async (statement: QueryConfig) => {
      await meanwhile();
      return await fleet.pool.query(statement);
    },
  });
  const reader = new EventReader(notes, fleet.config.log.root);
  return new Committer({
    id: ID,
    epoch: 1n,
    pool,
    writer: new ProjectionWriter(notes, schemaOf('notes', 1)),
    parked: new ParkedKeys(),
    streamCreated: 'then',
    position: 0,
    read: (message) => reader.read(message),
    readLog: async () => ({ data: new Uint8Array(), time: new Date() }),
    isBackground: () => false,
    signal: new AbortController().signal,
    onRetry: () => undefined,
    onHeld: () => undefined,
  });
}

async function readEvents({ config }: TestFleet, count: number) {
  const { stream, root } = config.log;
  const reader = new EventReader(notes, root);
  const consumer = await broker.jetstream.consumers.get(stream, 'projection-notes-1-0');
  const stop = new AbortController();
  const events = [];
  const room = async () => ({ count });
  const from = { connection: broker.connection, batch: count, lingerMs: 1_000, room };
  for await (const { messages } of pull(consumer, { ...from, signal: stop.signal })) {
    events.push(...messages.map((message) => reader.read(message)));
    if (events.length >= count) stop.abort();
  }
  return events;
}

test.each([2, 0, 3])(
  'a hold at %i that moves while the lane is refused skips no event',
  async (first) => {
    await using fleet = await notesFleet(broker);
    const all = Array.from({ length: EVENTS }, (_, index) => created(`m-${index + 1}`, 'said'));
    await appendAll(broker, fleet.config, all);
    const events = await readEvents(fleet, EVENTS);
    await hold(fleet, first);
    // The hold was released, and another lane that is further ahead is held together with this one.
    const lane = await heldLane(fleet, () => hold(fleet, 6));
    await lane.commit(lane.prepare(events.slice(0, 4)));
    expect(lane.position).toBe(4);
    await hold(fleet, EVENTS);
    await lane.commit(lane.prepare(events.slice(4)));
    expect(lane.position).toBe(EVENTS);
    expect(Object.keys(await contents(fleet))).toHaveLength(EVENTS);
  },
);

test('an idle lane never passes the range proved empty, under any hold', async () => {
  await using fleet = await notesFleet(broker);
  await hold(fleet, 1);
  let looks = 0;
  const lane = await heldLane(fleet, async () => {
    looks += 1;
    // From its second statement on: the first one is refused.
    if (looks > 1) await hold(fleet, 6);
  });
  await lane.skipTo(3);
  expect(lane.position).toBeLessThanOrEqual(3);
  await lane.skipTo(3);
  expect(lane.position).toBe(3);
});

test('an idle lane refused by successive holds, each lower, moves up to the last one', async () => {
  await using fleet = await notesFleet(broker);
  await hold(fleet, 5);
  let looks = 0;
  const lane = await heldLane(fleet, async () => {
    looks += 1;
    // The first hold was for two generations, of which the other is ahead; the later holds are not.
    if (looks > 1) await hold(fleet, Math.max(2, 5 - looks));
  });
  await lane.skipTo(9);
  expect(lane.position).toBe(2);
});
