import { setTimeout as delay } from 'node:timers/promises';
import { createEvent, type Envelope } from '@memfleet/events';
import {
  buildIndexes,
  hashTables,
  laneStatus,
  type Projection,
  promoteNext,
  readGenerations,
  retireGeneration,
  rollBack,
  startRebuild,
  verifyNext,
  waitFor,
} from '@memfleet/projections';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { memories } from '../../shared/projections/src/projections/memories/projection.ts';
import { holdLanes } from '../../shared/projections/src/rebuild/hold.ts';
import { notes } from '../integration/projections/notes/projection.ts';
import { appendAll, createTestFleet, type TestFleet } from '../integration/projections/support.ts';
import { connectTestBroker, type TestBroker } from '../support/broker.ts';
import { testSettings } from '../support/settings.ts';
import { until } from '../support/until.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

const never = new AbortController().signal;
const SWAP = { signal: never, limitMs: 20_000, onRetry: () => undefined };
const PROMOTE = { ...SWAP, maxLag: 1_000, force: false };
const VERIFY = { signal: never, maxLag: 10_000 };

function said(memory: string, content: string, verb: 'created' | 'revised' = 'revised'): Envelope {
  return createEvent({
    tenant: 't',
    memory,
    type: `memory.${verb}`,
    source: '/test',
    data: { content },
  });
}

async function fleetOf(
  projection: Projection,
  flags: Readonly<Record<string, string>> = {},
): Promise<TestFleet> {
  const config = testSettings({ 'projections.lease': '1s', 'workers.report': '50ms', ...flags });
  return await createTestFleet(broker, config, [projection]);
}

async function rebuild(fleet: TestFleet, projection: Projection): Promise<number> {
  const { config, pool } = fleet;
  const { generation } = await startRebuild({ config, jsm: broker.jsm, pool }, projection);
  return generation;
}

/** Waits until a generation has come near the end of the log, and makes its indexes. */
async function filled(fleet: TestFleet, projection: Projection, generation: number): Promise<void> {
  const { pool } = fleet;
  const { state } = await broker.jsm.streams.info(fleet.config.log.stream);
  await until(`generation ${generation} is filled`, async () => {
    const lanes = (await laneStatus(pool)).filter((lane) => lane.generation === generation);
    return lanes.length > 0 && lanes.every(({ position }) => position >= state.last_seq);
  });
  await buildIndexes(pool, projection.name, generation, {
    signal: never,
    onIndex: () => undefined,
  });
}

async function states({ pool }: TestFleet): Promise<Record<number, string>> {
  const found = await readGenerations(pool);
  return Object.fromEntries(found.map(({ generation, state }) => [generation, state]));
}

async function indexesOf({ pool }: TestFleet, schema: string): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select indexname as name from pg_indexes where schemaname = $1 order by 1`,
    [schema],
  );
  return rows.map(({ name }) => name);
}

/** Appends revisions of a few memories without a pause; each says its number. */
function startWriting(fleet: TestFleet, memory = 'busy') {
  const stop = new AbortController();
  let count = 0;
  let lastSequence = 0;
  const run = async (): Promise<void> => {
    while (!stop.signal.aborted) {
      const event = said(`${memory}-${count % 7}`, String(count));
      const subject = `${fleet.config.log.root}.t.${event.subject}.content.revised`;
      const { seq } = await broker.jetstream.publish(subject, JSON.stringify(event));
      lastSequence = seq;
      count += 1;
    }
  };
  const ended = run();
  return {
    get count() {
      return count;
    },
    async stop(): Promise<number> {
      stop.abort();
      await ended;
      return lastSequence;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([ended]);
    },
  };
}

/**
 * Reads as applications do, prepared statements and joins, for as long as it is let. Numbers only
 * rise: whoever reads a smaller one than before has been shown tables that lag behind.
 */
function startReading(fleet: TestFleet) {
  const stop = new AbortController();
  let reads = 0;
  const failures: string[] = [];
  const run = async (reader: number): Promise<void> => {
    const client = await fleet.pool.connect();
    let last = -1;
    while (!stop.signal.aborted) {
      try {
        const { rows } = await client.query<{ newest: number | null }>({
          name: 'read',
          text:
            reader % 2 === 0
              ? `select max(content::int) as newest from memory.memories`
              : `select max(content::int) as newest from memory.embeddings
                  right join memory.memories using (tenant, memory)
                  left join memory.accesses using (tenant, memory)`,
        });
        const newest = rows[0]?.newest ?? -1;
        if (newest < last) failures.push(`${newest} after ${last}`);
        last = newest;
        reads += 1;
      } catch (error) {
        failures.push(String(error));
      }
      await delay(1);
    }
    client.release();
  };
  const ended = Promise.all([0, 1, 2].map(run));
  return {
    get reads() {
      return reads;
    },
    async stop(): Promise<string[]> {
      stop.abort();
      await ended;
      return failures;
    },
    async [Symbol.asyncDispose]() {
      stop.abort();
      await Promise.allSettled([ended]);
    },
  };
}

test.each([
  ['in one lane', '1', '1'],
  ['from one lane to one per partition', '1', '8'],
])(
  'under writes and reads: rebuild, verify, promote, roll back, promote again, %s',
  async (_, before, after) => {
    await using fleet = await fleetOf(memories, { 'projections.lanes': before });
    const { pool, config } = fleet;
    await appendAll(
      broker,
      config,
      Array.from({ length: 300 }, (__, n) => said(`m-${n}`, '0')),
    );
    fleet.start();
    await fleet.applied(300);
    await using writing = startWriting(fleet);
    await using reading = startReading(fleet);
    const target = {
      ...fleet,
      config: { ...config, projections: { ...config.projections, lanes: Number(after) } },
    };
    expect(await rebuild(target, memories)).toBe(2);
    // The indexes that only readers need come when the history is in.
    expect(await indexesOf(fleet, 'memories_2')).not.toContain('memories_content');
    await expect(promoteNext(pool, memories, { ...PROMOTE, force: true })).rejects.toThrow(
      /still being filled/,
    );
    await filled(fleet, memories, 2);
    expect(await indexesOf(fleet, 'memories_2')).toEqual(await indexesOf(fleet, 'memories_1'));
    await expect(promoteNext(pool, memories, PROMOTE)).rejects.toThrow(/has not been verified/);

    const verified = await verifyNext(pool, 'memories', VERIFY);
    expect(verified).toMatchObject({
      equal: true,
      live: { generation: 1 },
      next: { generation: 2 },
    });
    expect(verified.tables.map(({ table }) => table)).toContain('memories');
    const promoted = await promoteNext(pool, memories, PROMOTE);
    expect(promoted).toMatchObject({ live: 2, before: 1, behind: 0 });
    expect(await states(fleet)).toEqual({ 1: 'previous', 2: 'live' });
    const rolledBack = await rollBack(pool, memories, SWAP);
    expect(rolledBack).toMatchObject({ live: 1, before: 2, behind: 0 });
    expect(rolledBack.blockedMs).toBeLessThan(1_000);
    expect(await states(fleet)).toEqual({ 1: 'live', 2: 'next' });
    expect(await promoteNext(pool, memories, PROMOTE)).toMatchObject({ live: 2, behind: 0 });

    const { count } = writing;
    await until('some more is written and read', () => writing.count > count + 50);
    const last = await writing.stop();
    await waitFor(pool, 'memories', last);
    expect(reading.reads).toBeGreaterThan(50);
    expect(await reading.stop()).toEqual([]);
    const { rows } = await pool.query('select max(content::int) as newest from memory.memories');
    expect(rows).toEqual([{ newest: writing.count - 1 }]);
    await until('the previous one has run on', async () => {
      const lanes = await laneStatus(pool);
      return lanes.every(({ position }) => position >= last);
    });
    expect(await hashTables(pool, memories, 1)).toEqual(await hashTables(pool, memories, 2));

    await retireGeneration({ config, jsm: broker.jsm, pool }, 'memories', 1, never);
    expect(await states(fleet)).toEqual({ 2: 'live' });
    const left = await pool.query(`select to_regnamespace('memories_1') as schema`);
    expect(left.rows).toEqual([{ schema: null }]);
    await expect(
      broker.jsm.consumers.info(config.log.stream, 'projection-memories-1-0'),
    ).rejects.toThrow(/not found/);
    await appendAll(broker, config, [said('m-0', '1000000')]);
    await fleet.applied(last + 1);
  },
);

test('a difference is found, and its key is named, never its content', async () => {
  await using fleet = await fleetOf(notes);
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [said('a', 'one', 'created'), said('b', 'two', 'created')]);
  fleet.start();
  await fleet.applied(2);
  await filled(fleet, notes, await rebuild(fleet, notes));
  await pool.query(`update notes_2.notes set content = 'other' where memory = 'b'`);
  await pool.query(`insert into notes_2.notes (tenant, memory, content) values ('t', 'c', 'x')`);
  const verification = await verifyNext(pool, 'notes', VERIFY);
  expect(verification).toMatchObject({ equal: false, position: 2 });
  const differing = verification.tables.filter(({ equal }) => !equal);
  expect(differing).toEqual([
    {
      table: 'notes',
      liveRows: 2,
      nextRows: 3,
      equal: false,
      otherColumns: [],
      differingKeys: [
        { tenant: 't', memory: 'b' },
        { tenant: 't', memory: 'c' },
      ],
    },
  ]);
  await expect(promoteNext(pool, notes, PROMOTE)).rejects.toThrow(/has not been verified/);
  // The lanes go on.
  await appendAll(broker, fleet.config, [said('a', 'three')]);
  await fleet.applied(3);
});

test('a hold stops lanes in the midst of a batch, and runs out by itself', async () => {
  await using fleet = await fleetOf(notes, { 'projections.lanes': '8' });
  const { pool, config } = fleet;
  const events = Array.from({ length: 60 }, (_, n) => said(`m-${n % 9}`, String(n)));
  await appendAll(broker, config, events.slice(0, 10));
  await holdLanes(pool, 'notes', [1], 60_000);
  await pool.query('update memfleet.checkpoints set hold_at = 33');
  await appendAll(broker, config, events.slice(10));
  fleet.start();
  const positions = async (): Promise<number[]> =>
    (await laneStatus(pool)).map(({ position }) => position);
  await until('all lanes stand there', async () => (await positions()).every((at) => at === 33));
  expect((await laneStatus(pool)).map(({ state }) => state)).toContain('held');
  const { rows } = await pool.query('select max(sequence)::int as last from notes_1.revisions');
  expect(rows).toEqual([{ last: 33 }]);
  await expect(holdLanes(pool, 'notes', [1], 1_000)).rejects.toThrow(/held by another/);
  await pool.query(`update memfleet.checkpoints set hold_until = now() + interval '300 ms'`);
  await fleet.applied(60);
  expect(await positions()).toEqual(Array.from({ length: 8 }, () => 60));
});

/** The next version of the notes: other contents, other columns in its view, and a view more. */
const louder: Projection = {
  ...notes,
  version: 2,
  handlers: {
    ...notes.handlers,
    'memory.created': (event, at) =>
      notes.handlers['memory.created']?.(
        { ...event, data: { ...event.data, content: event.data.content.toUpperCase() } },
        at,
      ) ?? [],
  },
  tablesSql: `${notes.tablesSql}; create table extras (id int primary key)`,
  viewsSql: `create or replace view memory.notes as select tenant, content, memory from notes;
    create or replace view memory.extras as select id from extras`,
};

async function shown({ pool }: TestFleet): Promise<unknown> {
  const { rows } = await pool.query('select memory, content from memory.notes order by 1');
  return rows.map((row: Record<string, unknown>) => [row['memory'], row['content']]);
}

async function viewsIn({ pool }: TestFleet): Promise<string[]> {
  const { rows } = await pool.query<{ name: string }>(
    `select viewname as name from pg_views where schemaname = 'memory' order by 1`,
  );
  return rows.map(({ name }) => name);
}

test('a newer version gets tables of its own, and the old one is gone back to by its own views', async () => {
  await using fleet = await fleetOf(notes);
  const { pool } = fleet;
  await pool.query('grant select on memory.notes to public');
  await appendAll(broker, fleet.config, [said('a', 'one', 'created')]);
  const old = fleet.start({ instance: 'old' });
  await fleet.applied(1);
  // A deploy: workers of both versions side by side.
  fleet.start({ instance: 'new' }, [louder]);
  await filled(fleet, louder, await rebuild(fleet, louder));
  await appendAll(broker, fleet.config, [said('b', 'two', 'created')]);
  await fleet.applied(2);
  const owners = await until('each has its generation', async () => {
    const lanes = await laneStatus(pool);
    return lanes.every(({ owner, position }) => owner && position === 2) && lanes;
  });
  expect(owners.map(({ generation, owner }) => [generation, owner])).toEqual([
    [1, 'old'],
    [2, 'new'],
  ]);
  const verification = await verifyNext(pool, 'notes', VERIFY);
  expect(verification).toMatchObject({
    equal: false,
    live: { version: 1 },
    next: { version: 2 },
    tables: [
      { table: 'applied', equal: true },
      { table: 'extras', equal: false, nextRows: 0 },
      { table: 'notes', equal: false, liveRows: 2, nextRows: 2 },
      { table: 'revisions', equal: true },
    ],
  });
  expect(verification.tables[1]?.liveRows).toBeUndefined();

  await promoteNext(pool, louder, PROMOTE);
  expect(await shown(fleet)).toEqual([
    ['a', 'ONE'],
    ['b', 'TWO'],
  ]);
  expect(await viewsIn(fleet)).toEqual(['extras', 'notes']);
  await rollBack(pool, louder, SWAP);
  expect(await shown(fleet)).toEqual([
    ['a', 'one'],
    ['b', 'two'],
  ]);
  expect(await viewsIn(fleet)).toEqual(['notes']);
  const { rows } = await pool.query(
    `select has_table_privilege('public', 'memory.notes', 'select') as allowed`,
  );
  expect(rows).toEqual([{ allowed: true }]);

  // The old workers go. Its tables stand still, and serve until the new ones are promoted.
  await old.stop();
  await appendAll(broker, fleet.config, [said('c', 'three', 'created')]);
  await until('the next one goes on', async () => (await laneStatus(pool))[1]?.position === 3);
  expect((await laneStatus(pool))[0]).toMatchObject({ state: 'unowned', position: 2 });
  await expect(verifyNext(pool, 'notes', VERIFY)).rejects.toThrow(
    /does not move: lane 0 is unowned/,
  );
  expect(await promoteNext(pool, louder, PROMOTE)).toMatchObject({ live: 2, behind: 0 });
  expect(await rollBack(pool, louder, SWAP)).toMatchObject({ live: 1, behind: 1 });
});

test('a promotion waits for a long query without holding readers up', async () => {
  await using fleet = await fleetOf(notes);
  const { pool } = fleet;
  await appendAll(broker, fleet.config, [said('a', 'one', 'created')]);
  fleet.start();
  await fleet.applied(1);
  await filled(fleet, notes, await rebuild(fleet, notes));
  await verifyNext(pool, 'notes', VERIFY);
  const reader = await pool.connect();
  try {
    await reader.query('begin');
    await reader.query('select * from memory.notes');
    let refusals = 0;
    const promoting = promoteNext(pool, notes, { ...PROMOTE, onRetry: () => (refusals += 1) });
    await until('it has given way twice', () => refusals >= 2);
    expect(await shown(fleet)).toEqual([['a', 'one']]);
    expect(await states(fleet)).toEqual({ 1: 'live', 2: 'next' });
    await reader.query('commit');
    expect(await promoting).toMatchObject({ live: 2 });
  } finally {
    reader.release();
  }
  await expect(
    retireGeneration({ config: fleet.config, jsm: broker.jsm, pool }, 'notes', 2, never),
  ).rejects.toThrow(/is live/);
});

test('a rebuild given up leaves nothing behind, and the next one has a number of its own', async () => {
  await using fleet = await fleetOf(notes);
  const { config, pool } = fleet;
  await appendAll(broker, config, [said('a', 'one', 'created')]);
  const engine = fleet.start();
  await fleet.applied(1);
  expect(await rebuild(fleet, notes)).toBe(2);
  // Begun again it is the same one.
  expect(await rebuild(fleet, notes)).toBe(2);
  await until('it is taken up', async () => (await laneStatus(pool))[1]?.owner !== undefined);
  const target = { config, jsm: broker.jsm, pool };
  await retireGeneration(target, 'notes', 2, never);
  await retireGeneration(target, 'notes', 2, never);
  expect(await rebuild(fleet, notes)).toBe(3);
  await filled(fleet, notes, 3);
  const names: string[] = [];
  for await (const { name } of broker.jsm.consumers.list(config.log.stream)) names.push(name);
  expect(names.filter((name) => name.startsWith('projection-notes')).toSorted()).toEqual([
    'projection-notes-1-0',
    'projection-notes-3-0',
  ]);
  expect(engine.progress.state.state).not.toBe('halted');
  await engine.stop();
});
