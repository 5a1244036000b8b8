import { setTimeout as delay } from 'node:timers/promises';
import { createEvent } from '@memfleet/events';
import { provisionFleet } from '@memfleet/fleet';
import { waitFor } from '@memfleet/projections';
import { type Pool, transaction } from '@memfleet/runtime';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { testSettings } from '../../support/settings.ts';
import { appendAll, createTestFleet } from '../../support/test-fleet.ts';
import { notes } from './notes/projection.ts';

const ME = 'a-worker';

let broker: TestBroker;
let database: TestDatabase;
let pool: Pool;

/** Provisioned tables whose worker is this test: positions move when it says so. */
beforeAll(async () => {
  broker = await connectTestBroker();
  database = await createTestDatabase();
  ({ pool } = database);
  await provisionFleet({ config: testSettings(), jsm: broker.jsm, pool, projections: [notes] });
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
  await database[Symbol.asyncDispose]();
});

beforeEach(async () => {
  await pool.query(`truncate memfleet.lane_reports, memfleet.parked_events, memfleet.leases`);
  await pool.query('delete from memfleet.checkpoints where generation > 1 or lane > 0');
  await pool.query('delete from memfleet.projection_generations where generation > 1');
  await moveTo(0);
  await pool.query(
    `insert into memfleet.leases (name, owner, epoch, lease_until)
      values ('projection/notes/1/0', $1, 1, now() + interval '1 hour')`,
    [ME],
  );
});

async function moveTo(position: number, lane?: number): Promise<void> {
  await pool.query(
    `update memfleet.checkpoints set position = $1
      where generation = 1 and ($2::int is null or lane = $2)`,
    [position, lane],
  );
}

/** The same database, with its queries counted. */
function counted(): { db: Pick<Pool, 'query'>; queries: () => number } {
  let count = 0;
  const db = new Proxy(pool, {
    get(target, name) {
      const value: unknown = Reflect.get(target, name);
      if (name !== 'query' || typeof value !== 'function') return value;
      return (...args: unknown[]): unknown => {
        count += 1;
        return Reflect.apply(value, target, args);
      };
    },
  });
  return { db, queries: () => count };
}

test('a thousand waiters share a handful of queries, and none is early', async () => {
  const { db, queries } = counted();
  const started = performance.now();
  let committing = 0;
  const early: number[] = [];
  const waiting = Array.from({ length: 1_000 }, async (_, index) => {
    const sequence = 1 + index;
    await waitFor(db, 'notes', sequence);
    if (sequence > committing) early.push(sequence);
  });
  // A written but uncommitted position does not count yet.
  for (const position of [10, 400, 1_000]) {
    await transaction(pool, async (client) => {
      await client.query('update memfleet.checkpoints set position = $1', [position]);
      await delay(60);
      committing = position;
    });
    await Promise.all(waiting.slice(0, position));
  }
  await Promise.all(waiting);
  expect(early).toEqual([]);
  // Less and less often while nothing moves, for any number of waiters.
  expect(queries()).toBeLessThan(4 * 12 + (performance.now() - started) / 200);
  const before = queries();
  await Promise.all(Array.from({ length: 1_000 }, () => waitFor(db, 'notes', 1_000)));
  expect(queries() - before).toBe(1);
  await delay(300);
  expect(queries() - before).toBe(1);
});

test('an awaited event is in the table, with one lane and with eight', async () => {
  for (const lanes of ['1', '8']) {
    await using fleet = await createTestFleet(
      broker,
      testSettings({ 'projections.lanes': lanes, 'projections.batch': '50' }),
      [notes],
    );
    fleet.start();
    const events = Array.from({ length: 300 }, (_, index) =>
      createEvent({
        tenant: 't',
        memory: `m-${index}`,
        type: 'memory.created',
        source: '/test',
        data: { content: `note ${index}` },
      }),
    );
    const seen = events.map(async (_, index) => {
      await waitFor(fleet.pool, 'notes', index + 1);
      const { rows } = await fleet.pool.query<{ content: string }>(
        'select content from memory.notes where memory = $1',
        [`m-${index}`],
      );
      return rows;
    });
    await appendAll(broker, fleet.config, events);
    expect(await Promise.all(seen)).toEqual(
      events.map((_, index) => [{ content: `note ${index}` }]),
    );
  }
});

test('with several lanes, all must have passed the position', async () => {
  await pool.query(
    `insert into memfleet.checkpoints (projection, generation, lane)
      select 'notes', 1, lane from generate_series(1, 7) as lane`,
  );
  let isDone = false;
  const waiting = waitFor(pool, 'notes', 5).then(() => {
    isDone = true;
  });
  for (let lane = 0; lane < 8; lane += 1) {
    await delay(20);
    expect(isDone).toBe(false);
    await moveTo(5, lane);
  }
  await waiting;
});

test('the wait goes on through a promotion: what counts is what the views show', async () => {
  await pool.query(
    `insert into memfleet.projection_generations (projection, generation, version, lanes, state)
      values ('notes', 2, 1, 1, 'next')`,
  );
  await pool.query(
    `insert into memfleet.checkpoints (projection, generation, lane, position) values ('notes', 2, 0, 20)`,
  );
  await moveTo(10);
  await waitFor(pool, 'notes', 10);
  const beyond = waitFor(pool, 'notes', 15);
  let isDone = false;
  void beyond.then(() => {
    isDone = true;
  });
  await delay(50);
  expect(isDone).toBe(false);
  await transaction(pool, async (client) => {
    await client.query(
      `update memfleet.projection_generations set state = 'previous' where generation = 1`,
    );
    await client.query(
      `update memfleet.projection_generations set state = 'live' where generation = 2`,
    );
  });
  await beyond;
  // And back: the position of the other tables says nothing about these.
  await transaction(pool, async (client) => {
    await client.query(
      `update memfleet.projection_generations set state = 'next' where generation = 2`,
    );
    await client.query(
      `update memfleet.projection_generations set state = 'live' where generation = 1`,
    );
  });
  await expect(waitFor(pool, 'notes', 15, { timeoutMs: 100 })).rejects.toMatchObject({
    code: 'PROJECTION_BEHIND',
  });
});

describe('waits that cannot succeed', () => {
  test('an unknown projection', async () => {
    await expect(waitFor(pool, 'diary', 1)).rejects.toMatchObject({
      code: 'DRIFT',
      message: 'projection diary is not provisioned',
    });
    await expect(waitFor(pool, 'notes', Number.NaN)).rejects.toThrow(RangeError);
  });

  test('each wait has its own time limit', async () => {
    await moveTo(7);
    const patient = waitFor(pool, 'notes', 8, { timeoutMs: 30_000 });
    await expect(waitFor(pool, 'notes', 9, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'PROJECTION_BEHIND',
      message: 'notes did not apply position 9 within 50 ms: it is at position 7',
    });
    await moveTo(8);
    await patient;
  });

  test("the caller's signal ends the wait", async () => {
    const { db, queries } = counted();
    const stop = new AbortController();
    const reason = new Error('the client has gone');
    const waiting = waitFor(db, 'notes', 1, { signal: stop.signal });
    setTimeout(() => stop.abort(reason), 20);
    await expect(waiting).rejects.toBe(reason);
    await expect(waitFor(db, 'notes', 1, { signal: stop.signal })).rejects.toBe(reason);
    // Without waiters there are no queries.
    await delay(20);
    const before = queries();
    await delay(300);
    expect(queries()).toBe(before);
  });

  test('a halted lane, with its cause, only for positions beyond it', async () => {
    await pool.query(
      `insert into memfleet.lane_reports (projection, generation, lane, instance, state, cause)
        values ('notes', 1, 0, $1, 'halted', 'stream LOG was recreated')`,
      [ME],
    );
    await moveTo(3);
    await waitFor(pool, 'notes', 3);
    await expect(waitFor(pool, 'notes', 4)).rejects.toMatchObject({
      code: 'LANE_HALTED',
      message: 'lane 0 of notes is at position 3: stream LOG was recreated',
    });
  });

  test('a lane that no worker has run for a while', async () => {
    await pool.query('truncate memfleet.leases');
    await expect(waitFor(pool, 'notes', 1)).rejects.toMatchObject({
      code: 'LANE_UNOWNED',
      message: 'lane 0 of notes is at position 0: no worker holds this lane',
    });
  });

  test('a parked event, with the reason', async () => {
    await pool.query(
      `insert into memfleet.parked_events (projection, generation, lane, tenant, memory, sequence, reason)
        values ('notes', 1, 0, 't', 'm', 5, 'the handler failed: no such note'),
          ('notes', 1, 0, 't', 'm', 7, 'waits')`,
    );
    await moveTo(8);
    const all = await Promise.allSettled([4, 5, 6, 7, 8].map((at) => waitFor(pool, 'notes', at)));
    expect(all.map(({ status }) => status)).toEqual([
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    expect(all[3]).toMatchObject({
      reason: {
        code: 'EVENT_PARKED',
        message: 'the event at position 7 is parked in notes: the handler failed: no such note',
      },
    });
  });
});

test('the wait outlasts a restart of the database, within its limit', async () => {
  const waiting = waitFor(pool, 'notes', 1);
  await pool
    .query(
      `select pg_terminate_backend(pid) from pg_stat_activity
        where datname = current_database() and pid <> pg_backend_pid()`,
    )
    .catch(() => undefined);
  await moveTo(1);
  await expect(waiting).resolves.toBeUndefined();
});
