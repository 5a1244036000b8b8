import {
  type Projection,
  promoteNext,
  retireGeneration,
  rollBack,
  type Swap,
  type Verification,
  verifyNext,
} from '@memfleet/projections';
import { type Pool, transaction } from '@memfleet/runtime';
import type { QueryConfig } from 'pg';
import { expect, test } from 'vitest';
import { holdLanes, releaseLanes } from '../../../shared/projections/src/rebuild/hold.ts';
import { readMigrations } from '../../../shared/runtime/src/database/migrate.ts';
import { brokerOfFile } from '../../support/broker.ts';
import { contents, created, parked, revised } from '../../support/notes-fleet.ts';
import { over } from '../../support/over.ts';
import {
  filled,
  fleetOf,
  never,
  PROMOTE,
  rebuild,
  SWAP,
  VERIFY,
} from '../../support/rebuild-fleet.ts';
import { appendAll, type TestFleet } from '../../support/test-fleet.ts';
import { until } from '../../support/until.ts';
import { notes } from './notes/projection.ts';

const broker = brokerOfFile();

/** The next version of the notes, with a handler that fails on some revisions. */
const fragile: Projection = {
  ...notes,
  version: 2,
  handlers: {
    ...notes.handlers,
    'memory.revised': (event, at) => {
      if (event.data.content.startsWith('poison')) throw new Error('cannot take it');
      return notes.handlers['memory.revised']?.(event, at) ?? [];
    },
  },
};

/** Both generations at the end of the log, verified. */
async function verified(next: Projection): Promise<TestFleet> {
  const fleet = await fleetOf(broker, notes);
  await appendAll(broker, fleet.config, [created('m', 'one'), created('n', 'one')]);
  fleet.start();
  if (next !== notes) fleet.start({}, [next]);
  await fleet.applied(2);
  await filled(broker, fleet, next, await rebuild(broker, fleet, next));
  await verifyNext(fleet.pool, 'notes', VERIFY);
  return fleet;
}

async function bothAt({ pool }: TestFleet, position: number): Promise<void> {
  await until(`both generations stand at ${position}`, async () => {
    const { rows } = await pool.query<{ positions: string[] }>(
      'select array_agg(position::text) as positions from memfleet.checkpoints',
    );
    return rows[0]?.positions.every((at) => Number(at) === position);
  });
}

test('a memory that only the next generation parks keeps it from being promoted', async () => {
  await using fleet = await verified(fragile);
  const { pool, config } = fleet;
  await appendAll(broker, config, [revised('m', 'poison'), revised('m', 'two')]);
  await bothAt(fleet, 4);
  await expect(promoteNext(pool, fragile, PROMOTE)).rejects.toThrow(
    'generation 2 of notes parks 1 memory that the live one shows',
  );
  expect(await contents(fleet)).toEqual({ m: 'two', n: 'one' });
  // With --force it is possible to go back, and forward again.
  expect(await promoteNext(pool, fragile, { ...PROMOTE, force: true })).toMatchObject({ live: 2 });
  expect(await contents(fleet)).toEqual({ m: 'one', n: 'one' });
  expect(await rollBack(pool, fragile, SWAP)).toMatchObject({ live: 1 });
});

test.each([
  { name: 'both park at the same event', live: [[3, 'm']], next: [[3, 'm']], refused: false },
  { name: 'only the live one parks', live: [[3, 'm']], next: [], refused: false },
  {
    name: 'the next one parks from a later event',
    live: [[3, 'm']],
    next: [[4, 'm']],
    refused: false,
  },
  {
    name: 'the next one parks from an earlier event',
    live: [[4, 'm']],
    next: [[3, 'm']],
    refused: true,
  },
  { name: 'each parks another memory', live: [[3, 'm']], next: [[4, 'n']], refused: true },
] as const)('parked memories decide: $name', async ({ live, next, refused }) => {
  await using fleet = await verified(notes);
  for (const [generation, events] of [live, next].entries()) {
    for (const [sequence, memory] of events) {
      await fleet.pool.query(
        `insert into memfleet.parked_events
            (projection, generation, lane, tenant, memory, sequence, reason)
          values ('notes', $1, 0, 't', $2, $3, 'planted')`,
        [generation + 1, memory, sequence],
      );
    }
  }
  const outcome = await promoteNext(fleet.pool, notes, PROMOTE).then(
    ({ live: shown }) => `generation ${shown}`,
    (error: unknown) => (String(error).includes('parks 1 memory') ? 'refused' : error),
  );
  expect(outcome).toBe(refused ? 'refused' : 'generation 2');
});

test('events parked while the lanes become level count as well', async () => {
  await using fleet = await verified(fragile);
  const { pool } = fleet;
  // The next generation waits in the middle of the promotion, and parks an event before it is level.
  await pool.query(
    `update memfleet.checkpoints set hold_at = 2, hold_until = now() + interval '1 minute'
      where generation = 2`,
  );
  await appendAll(broker, fleet.config, [revised('m', 'poison')]);
  await fleet.applied(3);
  let refusals = 0;
  const promoting = promoteNext(pool, fragile, { ...PROMOTE, onRetry: () => (refusals += 1) });
  const outcome = promoting.then(
    () => 'promoted',
    (error: unknown) => String(error),
  );
  await until('it waits for the next one', () => refusals > 0);
  expect(await parked(fleet)).toEqual([]);
  await pool.query('update memfleet.checkpoints set hold_at = null where generation = 2');
  expect(await outcome).toMatch(/parks 1 memory/);
  expect(await contents(fleet)).toEqual({ m: 'poison', n: 'one' });
});

test('an old verification says nothing about the current tables', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  await pool.query(
    `update memfleet.projection_generations set verified_at = verified_at - interval '61 minutes'`,
  );
  await expect(promoteNext(pool, notes, PROMOTE)).rejects.toThrow(/was verified 61 minutes ago/);
  await verifyNext(pool, 'notes', VERIFY);
  expect(await promoteNext(pool, notes, PROMOTE)).toMatchObject({ live: 2 });
});

test('a verification is as old as the snapshot it compared, even if comparing took long', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  let comparedAt = Number.POSITIVE_INFINITY;
  await verifyNext(pool, 'notes', {
    ...VERIFY,
    onTable() {
      comparedAt = Math.min(comparedAt, Date.now());
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 100);
    },
  });
  const { rows } = await pool.query<{ at: Date }>(
    'select verified_at as at from memfleet.projection_generations where verified_at is not null',
  );
  expect(rows).toHaveLength(1);
  expect(Number(rows[0]?.at)).toBeLessThanOrEqual(comparedAt);
});

/** A verification that has compared the tables, and says what it found when it is let. */
async function slowVerification(
  pool: Pool,
): Promise<{ readonly conclude: () => Promise<Verification> }> {
  const compared = Promise.withResolvers<void>();
  const concluding = Promise.withResolvers<void>();
  const slow = over(pool, {
    query: async (statement: QueryConfig | string, values?: unknown[]) => {
      const text = typeof statement === 'string' ? statement : statement.text;
      if (text.includes('set verified_against')) {
        compared.resolve();
        await concluding.promise;
      }
      return await pool.query(statement, values);
    },
    connect: async () => await pool.connect(),
  });
  const verifying = verifyNext(slow, 'notes', VERIFY);
  verifying.catch(() => undefined);
  await Promise.race([compared.promise, verifying]);
  return {
    conclude: async () => {
      concluding.resolve();
      return await verifying;
    },
  };
}

test.each([
  { name: 'they became different', later: false },
  { name: 'they became equal', later: true },
])('of two verifications that of the later tables counts: $name', async ({ later }) => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  const change = async (content: string): Promise<void> => {
    await pool.query(`update notes_2.notes set content = $1 where memory = 'm'`, [content]);
  };
  if (later) await change('another');
  const slow = await slowVerification(pool);
  await change(later ? 'one' : 'another');
  expect(await verifyNext(pool, 'notes', VERIFY)).toMatchObject({ equal: later });
  expect(await slow.conclude()).toMatchObject({ equal: !later });
  const outcome = await promoteNext(pool, notes, PROMOTE).then(
    ({ live }) => `generation ${live}`,
    (error: unknown) => String(error),
  );
  expect(outcome).toContain(later ? 'generation 2' : 'has not been verified against the live one');
});

test('a hold that ran out does not end the one after it, even at the same position', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  const held = async (): Promise<boolean> => {
    const { rows } = await pool.query<{ held: boolean }>(
      'select bool_and(hold_until > clock_timestamp()) as held from memfleet.checkpoints',
    );
    return rows[0]?.held ?? false;
  };
  const first = await holdLanes(pool, 'notes', [1, 2], 60_000);
  await pool.query(`update memfleet.checkpoints set hold_until = now() - interval '1 ms'`);
  const second = await holdLanes(pool, 'notes', [1, 2], 60_000);
  expect(second.position).toBe(first.position);
  await releaseLanes(pool, first);
  expect(await held()).toBe(true);
  await releaseLanes(pool, second);
  expect(await held()).toBe(false);
});

test('no lane moves between the check of the lanes and the commit of a promotion', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  // The swap takes long enough for the hold to run out.
  await pool.query(`create function dawdle() returns trigger language plpgsql as $$
    begin
      perform pg_sleep(1);
      return new;
    end $$`);
  await pool.query(`create trigger dawdle before update on memfleet.projection_generations
    for each row when (new.state = 'live') execute function dawdle()`);
  const promoting = promoteNext(pool, notes, PROMOTE);
  await until('the swap is in progress', async () => {
    const { rows } = await pool.query(
      `select from pg_stat_activity where wait_event = 'PgSleep' and datname = current_database()`,
    );
    return rows.length > 0;
  });
  for (const generation of [1, 2]) {
    const moved = transaction(pool, async (client) => {
      await client.query(`set local lock_timeout = '50ms'`);
      await client.query('update memfleet.checkpoints set epoch = epoch where generation = $1', [
        generation,
      ]);
    });
    await expect(moved, `generation ${generation}`).rejects.toMatchObject({ code: '55P03' });
  }
  expect(await promoting).toMatchObject({ live: 2, behind: 0 });
});

/**
 * A pool that loses the answer to the first commit of a swap, like a broken connection; `isBack` says
 * whether it has connections afterwards.
 */
function losingAnswer(pool: Pool, isBack = true): Pool {
  let isLost = false;
  return over(pool, {
    query: (statement: QueryConfig | string, values?: unknown[]) => pool.query(statement, values),
    connect: async () => {
      if (isLost && !isBack) throw new Error('Connection terminated unexpectedly');
      const client = await pool.connect();
      let isSwap = false;
      return over(client, {
        query: async (statement: QueryConfig | string, values?: unknown[]) => {
          const text = typeof statement === 'string' ? statement : statement.text;
          isSwap ||= text.includes(`set state = 'live'`);
          const answer = await client.query(statement, values);
          if (text !== 'commit' || !isSwap || isLost) return answer;
          isLost = true;
          throw new Error('Connection terminated unexpectedly');
        },
        release: (broken?: Error) => client.release(broken),
      });
    },
  });
}

async function states({ pool }: TestFleet): Promise<string[]> {
  const { rows } = await pool.query<{ state: string }>(
    'select state from memfleet.projection_generations order by generation',
  );
  return rows.map(({ state }) => state);
}

test('a swap whose commit got no answer is recognised, and not repeated', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  let retries = 0;
  const counted = { ...PROMOTE, onRetry: () => (retries += 1) };
  const promoted = await promoteNext(losingAnswer(pool), notes, counted);
  expect(promoted).toMatchObject({ live: 2, before: 1, attempts: 2 });
  expect(await states(fleet)).toEqual(['previous', 'live']);
  // With a next generation beside them, the generation that was live becomes a previous one too.
  await rebuild(broker, fleet, notes);
  const rolledBack = await rollBack(losingAnswer(pool), notes, counted);
  expect(rolledBack).toMatchObject({ live: 1, before: 2, attempts: 2 });
  expect(await states(fleet)).toEqual(['live', 'previous', 'next']);
  expect(retries).toBe(2);
});

test('a swap whose commit had no answer when its time was over is looked for once more', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  const short = { ...PROMOTE, limitMs: 0 };
  const promoted = await promoteNext(losingAnswer(pool), notes, short);
  expect(promoted).toMatchObject({ live: 2, before: 1, attempts: 1 });
  expect(await states(fleet)).toEqual(['previous', 'live']);
  await expect(rollBack(losingAnswer(pool, false), notes, short)).rejects.toMatchObject({
    message: expect.stringContaining(
      'it is not known whether generation 1 of notes became live',
    ) as string,
    hint: expect.not.stringContaining('Nothing was changed') as string,
  });
  expect(await states(fleet)).toEqual(['live', 'next']);
});

test('two commands that swap at once do not swap twice', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  await promoteNext(pool, notes, PROMOTE);
  await rebuild(broker, fleet, notes);
  // A command that began after the other had ended would rightly go back once more: neither may swap
  // before both have chosen.
  const blocking = await pool.connect();
  await blocking.query(
    'begin; lock table memfleet.projection_generations in share row exclusive mode',
  );
  const haveChosen = new Set<number>();
  const swapping = Promise.allSettled(
    [1, 2].map((command) =>
      rollBack(pool, notes, { ...SWAP, onRetry: () => void haveChosen.add(command) }),
    ),
  );
  await until('both have chosen a generation', () => haveChosen.size === 2);
  await blocking.query('commit');
  blocking.release();
  const outcomes = await swapping;
  expect(await states(fleet)).toEqual(['live', 'previous', 'next']);
  expect(outcomes.map(({ status }) => status)).toContain('fulfilled');
});

test('a rollback beside a rebuild that begins leaves one next generation', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  await promoteNext(pool, notes, PROMOTE);
  const rebuilding = await pool.connect();
  let rollingBack: Promise<Swap>;
  try {
    // As a rebuild does: the row of the next generation is there, and its durables are being made.
    await rebuilding.query('begin');
    await rebuilding.query(
      'lock table memfleet.projection_generations in share row exclusive mode',
    );
    await rebuilding.query(
      `insert into memfleet.projection_generations (projection, generation, version, lanes, state)
        values ('notes', 3, 1, 1, 'next')`,
    );
    rollingBack = rollBack(pool, notes, SWAP);
    rollingBack.catch(() => undefined);
    await until('the rollback waits for the rebuild', async () => {
      const { rows } = await pool.query(
        `select from pg_locks where not granted
          and relation = 'memfleet.projection_generations'::regclass`,
      );
      return rows.length > 0;
    });
    await rebuilding.query('commit');
  } finally {
    rebuilding.release(true);
  }
  expect(await rollingBack).toMatchObject({ live: 1, before: 2 });
  expect(await states(fleet)).toEqual(['live', 'previous', 'next']);
});

test('a retirement beside a rollback does not retire what the rollback makes live', async () => {
  await using fleet = await verified(notes);
  const { pool, config } = fleet;
  await promoteNext(pool, notes, PROMOTE);
  const outcomes = await Promise.allSettled([
    rollBack(pool, notes, SWAP),
    retireGeneration({ config, jsm: broker.jsm, pool }, 'notes', 1, never),
  ]);
  expect(outcomes.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
  expect(await states(fleet)).toContain('live');
});

test('two next generations become one when the database is migrated', async () => {
  await using fleet = await verified(notes);
  const { pool } = fleet;
  const migration = readMigrations().find(({ name }) => name === 'one_next_generation');
  await pool.query('drop index memfleet.projection_generations_next');
  await pool.query(
    `insert into memfleet.projection_generations
        (projection, generation, version, lanes, state, demoted_at)
      values ('notes', 3, 1, 1, 'next', now())`,
  );
  await pool.query(migration?.sql ?? '');
  expect(await states(fleet)).toEqual(['live', 'next', 'previous']);
  await expect(
    pool.query(`update memfleet.projection_generations set state = 'next' where generation = 3`),
  ).rejects.toMatchObject({ code: '23505' });
});
