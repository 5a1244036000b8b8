import { setTimeout as delay } from 'node:timers/promises';
import { TenantQueue } from '@memfleet/stages';
import { expect, test } from 'vitest';
import {
  ALWAYS,
  type Taking,
  type TenantQueueOptions,
} from '../../../shared/stages/src/fairness/tenant-queue.ts';
import { laggingReplica } from '../../support/broker.ts';
import { memoryCreated } from '../../support/events.ts';
import { createStageBench, silent } from '../../support/stage.ts';
import { unreadableHeaders } from '../../support/unreadable-headers.ts';
import { until } from '../../support/until.ts';

const NOTHING_IN_HAND: Taking = { takeOverUntil: ALWAYS, inHand: [] };

test('a waiting event is dropped when the log no longer has it, not when a replica lags', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  await bench.publish(memoryCreated('one'), memoryCreated('two'));
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     select 'test', 'acme', unnest(array[1, 2, 3])`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: laggingReplica(bench.broker),
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 1_000,
    log: silent,
  });
  const taken = await queue.take(new Map([['acme', 10]]), NOTHING_IN_HAND);
  expect(taken.map(({ info }) => info.streamSequence)).toEqual([1, 2]);
  const { rows } = await pool.query('select sequence from memfleet.tenant_queue order by sequence');
  expect(rows).toEqual([{ sequence: '1' }, { sequence: '2' }]);
});

test('an event whose headers cannot be parsed is taken like any other', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  const { root, stream } = bench.config.log;
  await bench.broker.jetstream.publish(`${root}.acme.note.content.created`, 'no event', {
    headers: unreadableHeaders('bad key'),
  });
  await bench.publish(memoryCreated('two'));
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     select 'test', 'acme', generate_series(1, 2)`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: bench.broker.jsm,
    stage: 'test',
    stream,
    ackWaitMs: 600_000,
    log: silent,
  });
  const taken = await queue.take(new Map([['acme', 10]]), NOTHING_IN_HAND);
  expect(taken.map(({ info }) => info.streamSequence)).toEqual([1, 2]);
});

test('the last answer to an event holds, however soon it follows the one before', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  const events = Array.from({ length: 20 }, (_, index) => memoryCreated(`note ${index}`));
  await bench.publish(...events);
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     select 'test', 'acme', generate_series(1, 20)`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: bench.broker.jsm,
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 600_000,
    log: silent,
  });
  const taken = await queue.take(new Map([['acme', 20]]), NOTHING_IN_HAND);
  expect(taken).toHaveLength(20);
  for (const message of taken) {
    message.working();
    message.nak(0);
  }
  await until('all can be taken again', async () => {
    return (await queue.waiting([], 100, ALWAYS)).get('acme') === 20;
  });
});

test('a later answer does not arrive before an earlier one', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  await bench.publish(memoryCreated('one'));
  await pool.query(`insert into memfleet.tenant_queue (stage, tenant, sequence)
    values ('test', 'acme', 1)`);
  const reached: (() => void)[] = [];
  // The first answer is slow on its way.
  const db: TenantQueueOptions['db'] = {
    query: (async (...asked: [{ name?: string }]) => {
      if (asked[0].name === 'tenant-queue-again') {
        const { promise, resolve } = Promise.withResolvers<void>();
        reached.push(resolve);
        if (reached.length === 1) await promise;
      }
      return await pool.query(...(asked as unknown as [string]));
    }) as typeof pool.query,
  };
  const queue = new TenantQueue({
    db,
    jsm: bench.broker.jsm,
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 600_000,
    log: silent,
  });
  const [message] = await queue.take(new Map([['acme', 1]]), NOTHING_IN_HAND);
  message?.working();
  await until('the first answer is on its way', () => reached.length === 1);
  message?.nak(0);
  // Long enough for the second to overtake, if it could: the order holds without this wait.
  await delay(100);
  reached[0]?.();
  await until('both have arrived', () => reached.length === 2);
  await until('it can be taken again', async () =>
    (await queue.waiting([], 100, ALWAYS)).has('acme'),
  );
  expect(reached).toHaveLength(2);
});

test('an expired row is taken only while the database is trusted, and never while in hand', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  await bench.publish(...Array.from({ length: 5 }, (_, index) => memoryCreated(`note ${index}`)));
  // 1 was never taken, 2 was given back, 3 and 4 have expired, 5 is held by another process.
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence, deliveries, taken_until) values
     ('test', 'acme', 1, 0, '-infinity'), ('test', 'acme', 2, 1, '-infinity'),
     ('test', 'acme', 3, 1, now() - interval '1 second'), ('test', 'acme', 4, 1, now()),
     ('test', 'acme', 5, 1, now() + interval '1 hour')`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: bench.broker.jsm,
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 600_000,
    log: silent,
  });
  const take = async (takeOverUntil: number | undefined, inHand: number[]): Promise<number[]> => {
    const taken = await queue.take(new Map([['acme', 10]]), { takeOverUntil, inHand });
    return taken.map(({ info }) => info.streamSequence).toSorted((a, b) => a - b);
  };
  const count = async (takeOverUntil: number | undefined): Promise<number | undefined> =>
    (await queue.waiting([], 10, takeOverUntil)).get('acme');
  // By the database's clock, which here is that of the test.
  const [past, soon] = [Date.now() - 1, Date.now() + 60_000];
  expect([await count(undefined), await count(past), await count(soon)]).toEqual([2, 2, 4]);
  expect(await take(undefined, [2])).toEqual([1]);
  // Like a statement that was sent before an outage and arrives after it.
  expect(await take(past, [])).toEqual([2]);
  expect(await take(soon, [4])).toEqual([3]);
  expect(await take(soon, [])).toEqual([4]);
});

test('an event given back at once is free at once; one given back for later, at its time', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  await bench.publish(memoryCreated('one'), memoryCreated('two'));
  await pool.query(
    `insert into memfleet.tenant_queue (stage, tenant, sequence)
     values ('test', 'acme', 1), ('test', 'acme', 2)`,
  );
  const queue = new TenantQueue({
    db: pool,
    jsm: bench.broker.jsm,
    stage: 'test',
    stream: bench.config.log.stream,
    ackWaitMs: 600_000,
    log: silent,
  });
  const [one, two] = await queue.take(new Map([['acme', 10]]), NOTHING_IN_HAND);
  one?.nak();
  two?.nak(1_000);
  const found = await until('both are given back', async () => {
    const { rows } = await pool.query<{ row: string }>(
      `select sequence || case when taken_until = '-infinity' then ' now'
         when taken_until < now() + interval '1 minute' then ' later' else ' taken' end as row
       from memfleet.tenant_queue order by sequence`,
    );
    return rows.every(({ row }) => !row.endsWith(' taken')) && rows;
  });
  expect(found).toEqual([{ row: '1 now' }, { row: '2 later' }]);
});
