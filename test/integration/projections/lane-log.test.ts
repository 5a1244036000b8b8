import { messageAt } from '@memfleet/events';
import { provisionFleet } from '@memfleet/fleet';
import { durableOf, hashTables, laneStatus } from '@memfleet/projections';
import { partitionFilter, RuntimeError } from '@memfleet/runtime';
import { JetStreamApiError } from '@nats-io/jetstream';
import { errors } from '@nats-io/transport-node';
import { expect, test, vi } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { BrokenDelivery } from '../../../workers/projection/src/engine/feed.ts';
import { Inbox } from '../../../workers/projection/src/engine/inbox.ts';
import { lookAhead, QuietLane, StrayWatch } from '../../../workers/projection/src/engine/quiet.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, notesFleet, revised } from '../../support/notes-fleet.ts';
import { appendAll } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

test('a copy of an event later in the log has no second effect', async () => {
  await using fleet = await notesFleet(broker, { 'projections.batch': '2' });
  const first = created('m', 'first');
  const second = revised('m', 'second');
  const third = revised('m', 'third');
  await appendAll(broker, fleet.config, [first, second, second, third, second, first]);
  fleet.start();
  await fleet.applied(6);
  expect(await contents(fleet)).toEqual({ m: 'third' });
  const { rows } = await fleet.pool.query('select sequence from notes_1.revisions order by 1');
  expect(rows).toEqual([{ sequence: '2' }, { sequence: '4' }]);
});

test('a durable that is reset delivers everything again, without effect', async () => {
  await using fleet = await notesFleet(broker, { 'projections.batch': '3' });
  const events = Array.from({ length: 20 }, (_, index) => created(`m-${index % 4}`, `c-${index}`));
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
  await appendAll(broker, fleet.config, [revised('m-0', 'last')]);
  await fleet.applied(21);
  expect(await contents(fleet)).toMatchObject({ 'm-0': 'last' });
});

test('a stream that was recreated halts the lane, and nothing is overwritten', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one'), created('n', 'two')]);
  const engine = fleet.start();
  await fleet.applied(2);
  await engine.stop();
  const before = await hashTables(fleet.pool, notes, 1);
  await broker.jsm.streams.delete(fleet.config.log.stream);
  const { config, pool } = fleet;
  await provisionFleet({ config, jsm: broker.jsm, pool, projections: [notes] });
  await appendAll(broker, config, [created('m', 'x'), created('n', 'y'), created('o', 'z')]);
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
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one'), created('n', 'two')]);
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

test('an event that its durable does not know yet keeps the lane from skipping ahead', async () => {
  await using fleet = await notesFleet(broker, { 'projections.lanes': '8' });
  const { log } = fleet.config;
  await appendAll(broker, fleet.config, [created('m', 'one')]);
  const stored = await messageAt(broker.jsm, log.stream, { seq: 1 });
  const lane = Number(stored?.subject.split('.')[1]);
  // As when a lagging server leads the durable.
  const info = (): Promise<unknown> =>
    Promise.resolve({ num_pending: 0, delivered: { stream_seq: 0 } });
  const consumers: unknown = Object.create(broker.jsm.consumers, { info: { value: info } });
  const jsm = Object.create(broker.jsm, { consumers: { value: consumers } }) as typeof broker.jsm;
  const ahead = async (to: number) => {
    const id = { projection: 'notes', generation: 1, lane: to };
    const source = {
      jsm,
      stream: log.stream,
      durable: durableOf(id),
      filter: partitionFilter(log.root, to),
    };
    return await lookAhead(source, 0);
  };
  expect(await ahead(lane)).toEqual({});
  expect(await ahead((lane + 1) % 8)).toEqual({ end: 1 });
});

/** A lane of its own at position 0, whose broker does not answer before `answer` does. */
function quietLane(answer: Promise<unknown>) {
  const inbox = new Inbox(10);
  const skipTo = vi.fn<(position: number) => Promise<void>>(() => Promise.resolve());
  const source = {
    jsm: { streams: { info: () => answer } } as unknown as typeof broker.jsm,
    stream: 'S',
    durable: 'd',
    filter: '>',
  };
  const committer = { position: 0, skipTo };
  return { inbox, skipTo, quiet: new QuietLane(source, committer, inbox) };
}

test('an event that comes does not wait for what a quiet lane has asked', async () => {
  const { inbox, skipTo, quiet } = quietLane(Promise.withResolvers<never>().promise);
  const looking = quiet.follow();
  inbox.put([{} as Delivery]);
  await looking;
  expect([inbox.size, skipTo.mock.calls]).toEqual([1, []]);
});

test.each([
  ['nobody answers', new errors.TimeoutError()],
  [
    'the stream is not known yet',
    new JetStreamApiError({ code: 404, err_code: 10_059, description: 'stream not found' }),
  ],
])('a quiet lane goes on when %s', async (_, error) => {
  const { skipTo, quiet } = quietLane(Promise.reject(error));
  await quiet.follow();
  expect(skipTo).not.toHaveBeenCalled();
});

test('a quiet lane says what keeps it from asking for good', async () => {
  const { quiet } = quietLane(Promise.reject(new RuntimeError('BROKER_REFUSED', 'not permitted')));
  await expect(quiet.follow()).rejects.toThrow('not permitted');
});

test('an event that another reader of the durable was given is known to be missing', async () => {
  await using fleet = await notesFleet(broker);
  const { stream } = fleet.config.log;
  await appendAll(broker, fleet.config, [created('m', 'one'), revised('m', 'two')]);
  const durable = durableOf({ projection: 'notes', generation: 1, lane: 0 });
  const source = { jsm: broker.jsm, stream, durable, filter: '>' };
  expect(await lookAhead(source, 0)).toEqual({});
  const stranger = await broker.jetstream.consumers.get(stream, durable);
  for (const expected of [1, 2]) {
    const message = await stranger.next();
    expect(message?.seq).toBe(expected);
    await message?.ackAck();
  }
  expect(await lookAhead(source, 1)).toEqual({ missing: 2 });
  expect(await lookAhead(source, 2)).toEqual({});
});

test('a delivery has time to come before it counts as a stray one', () => {
  const patient = new StrayWatch();
  patient.check(7);
  patient.check(7);
  const watch = new StrayWatch(0);
  watch.check(undefined);
  watch.check(undefined);
  watch.check(7);
  watch.check(8);
  expect(() => watch.check(8)).toThrow(BrokenDelivery);
});
