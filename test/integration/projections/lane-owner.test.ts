import { findRunnable, laneStatus, leaseOf } from '@memfleet/projections';
import { acquireLease, type JetStreamManager } from '@memfleet/runtime';
import { JetStreamApiError } from '@nats-io/jetstream';
import { expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, notesFleet, revised } from '../../support/notes-fleet.ts';
import { appendAll } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

const ID = { projection: 'notes', generation: 1, lane: 0 };

test('a lane goes to another worker when its own is gone, and to only one', async () => {
  await using fleet = await notesFleet(broker);
  const first = fleet.start();
  const second = fleet.start();
  const owner = async (): Promise<string | undefined> =>
    (await laneStatus(fleet.pool)).find(({ state }) => state === 'running')?.owner;
  const before = await until('one of them has it', owner);
  const [holder, other] = before === first.instance ? [first, second] : [second, first];
  await appendAll(broker, fleet.config, [created('m', 'one')]);
  await fleet.applied(1);
  expect(await acquireLease(fleet.pool, leaseOf(ID), 'third', 1_000)).toBeUndefined();
  await holder.stop();
  await until('the other has taken over', async () => (await owner()) === other.instance);
  await appendAll(broker, fleet.config, [revised('m', 'two')]);
  await fleet.applied(2);
  expect(await contents(fleet)).toEqual({ m: 'two' });
});

test('lanes are shared among live workers', async () => {
  await using fleet = await notesFleet(broker, {
    'projections.lanes': '8',
    'workers.report': '50ms',
  });
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

test('lanes left to a worker that cannot run them are run beyond the share', async () => {
  await using fleet = await notesFleet(broker, {
    'projections.lanes': '8',
    'workers.report': '50ms',
  });
  const { pool } = fleet;
  fleet.start({ instance: 'able' });
  const held = async (): Promise<number> =>
    (await laneStatus(pool)).filter(({ owner }) => owner === 'able').length;
  await until('it has all', async () => (await held()) === 8);
  await pool.query(
    `insert into memfleet.worker_reports
       (instance, worker, host, pid, state, in_flight, processed, rate, reported_at)
     values ('other', 'projection', 'h', 1, 'idle', 0, 0, 0, now() + interval '1 hour')`,
  );
  await until('it leaves half of them to the other', async () => (await held()) === 4);
  await until('it has all again', async () => (await held()) === 8);
  await appendAll(broker, fleet.config, [created('m', 'one')]);
  await fleet.applied(1);
  expect(await held()).toBe(8);
});

test('a deleted durable ends the engine', async () => {
  await using fleet = await notesFleet(broker);
  const engine = fleet.start();
  await until('the lane runs', async () => (await laneStatus(fleet.pool))[0]?.state === 'running');
  await broker.jsm.consumers.delete(fleet.config.log.stream, 'projection-notes-1-0');
  await expect(engine.ended).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
  await expect(
    findRunnable({ config: fleet.config, jsm: broker.jsm, db: fleet.pool, projections: [notes] }),
  ).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
});

/** Like a server that has just started: it does not know the log when first asked, and neither the durable. */
function forgetful(jsm: JetStreamManager): { readonly jsm: JetStreamManager; unknown: number } {
  const server = { jsm, unknown: 0 };
  const withoutFirst = <Api extends object>(api: Api, errorCode: number): Api => {
    let isFirst = true;
    return new Proxy(api, {
      get(target, property) {
        const value: unknown = Reflect.get(target, property);
        if (typeof value !== 'function') return value;
        if (property !== 'info' || !isFirst) return value.bind(target) as unknown;
        isFirst = false;
        server.unknown += 1;
        const error = { code: 404, err_code: errorCode, description: 'not found' };
        return () => Promise.reject(new JetStreamApiError(error));
      },
    });
  };
  const streams = withoutFirst(jsm.streams, 10_059);
  const consumers = withoutFirst(jsm.consumers, 10_014);
  server.jsm = Object.create(jsm, {
    streams: { value: streams },
    consumers: { value: consumers },
  }) as JetStreamManager;
  return server;
}

test('a server that does not know the log or the durable at first is asked again', async () => {
  await using fleet = await notesFleet(broker);
  await appendAll(broker, fleet.config, [created('m', 'one')]);
  const server = forgetful(broker.jsm);
  fleet.start({ jsm: server.jsm });
  await fleet.applied(1);
  expect(server.unknown).toBe(2);
  expect(await contents(fleet)).toEqual({ m: 'one' });
});

test.each(['1', '8'])(
  'a row that went back while the log is quiet is read from again, with %s lanes',
  async (lanes) => {
    await using fleet = await notesFleet(broker, { 'projections.lanes': lanes });
    const { pool, config } = fleet;
    fleet.start();
    await appendAll(broker, config, [created('m', 'one')]);
    await fleet.applied(1);
    // What a standby has, when the last transaction did not reach it.
    await pool.query(`create table standby_rows as select * from notes_1.notes;
      create table standby_lanes as select * from memfleet.checkpoints`);
    await appendAll(broker, config, [revised('m', 'two')]);
    await fleet.applied(2);
    await pool.query(`begin;
      update memfleet.checkpoints set position = standby.position,
          event_digest = standby.event_digest, event_time = standby.event_time
        from standby_lanes as standby where standby.lane = checkpoints.lane;
      delete from notes_1.notes;
      delete from notes_1.revisions;
      delete from notes_1.applied;
      insert into notes_1.notes select * from standby_rows;
      commit`);
    await fleet.applied(2);
    expect(await contents(fleet)).toEqual({ m: 'two' });
    expect(await laneStatus(pool)).toHaveLength(Number(lanes));
  },
);
