import { randomBytes, randomUUID } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import {
  type Claim,
  claim,
  type ClaimRequest,
  markPublished,
  record,
} from '../../../shared/stages/src/claims/dedupe.ts';
import {
  type ClaimRef,
  type HeldClaims,
  release,
  renewClaims,
} from '../../../shared/stages/src/claims/held-claims.ts';
import { reopen } from '../../../shared/stages/src/dead-letters/reopen.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { until } from '../../support/until.ts';
import { whileLocked } from '../../support/while-locked.ts';

const STAGE = { name: 'test', version: 1 };
const LONG = 60_000;

let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});
beforeEach(async () => {
  await database.pool.query('truncate memfleet.stage_work');
});

function request(sequence = 1): ClaimRequest {
  return {
    key: randomUUID(),
    tenant: 'acme',
    eventId: randomUUID(),
    sequence,
    digest: randomBytes(32),
  };
}

/** One event, claimed by a new owner. */
async function claimOne(
  asked: ClaimRequest,
  options: { token?: string; leaseMs?: number; stage?: typeof STAGE } = {},
): Promise<Claim> {
  const { token = randomUUID(), leaseMs = LONG, stage = STAGE } = options;
  const [found] = await claim(database.pool, stage, [asked], token, leaseMs);
  if (found === undefined) throw new Error('the claim has no answer');
  return found;
}

/** A claim that has expired already. */
async function abandon(asked: ClaimRequest, token = randomUUID()): Promise<void> {
  expect(await claimOne(asked, { token, leaseMs: 1 })).toMatchObject({ kind: 'claimed' });
  await delay(5);
}

/** For each claim, whether it was still held. */
async function renewed(claims: Parameters<typeof renewClaims>[2]): Promise<HeldClaims> {
  return (await renewClaims(database.pool, STAGE, claims, LONG)).kept;
}

async function kept(
  asking: Promise<HeldClaims>,
  claims: readonly ClaimRef[],
): Promise<readonly boolean[]> {
  const held = await asking;
  return claims.map((one) => held.has(one));
}

async function row(key: string): Promise<Record<string, unknown>> {
  const { rows } = await database.pool.query<Record<string, unknown>>(
    'select * from memfleet.stage_work where event_key = $1',
    [key],
  );
  return rows[0] ?? {};
}

test('a batch is claimed in one round trip, and answered in the given order', async () => {
  const asked = Array.from({ length: 300 }, (_, index) => request(index));
  const token = randomUUID();
  const claims = await claim(database.pool, STAGE, asked, token, LONG);
  expect(claims).toHaveLength(300);
  for (const [sequence, found] of claims.entries()) {
    expect(found).toEqual({
      kind: 'claimed',
      token,
      sequence,
      attempt: 1,
      abandoned: 0,
      redrives: 0,
    });
  }
});

test('a live worker holds a lease; another stage or version has its own', async () => {
  const asked = request();
  await claimOne(asked);
  expect(await claimOne(asked)).toEqual({ kind: 'leased' });
  expect(await claimOne(asked, { stage: { name: 'test', version: 2 } })).toMatchObject({
    kind: 'claimed',
  });
  expect(await claimOne(asked, { stage: { name: 'other', version: 1 } })).toMatchObject({
    kind: 'claimed',
  });
});

test('a retry with the same token, as after a lost answer, gets the same claim', async () => {
  const asked = request();
  const token = randomUUID();
  await claimOne(asked, { token });
  expect(await claimOne(asked, { token })).toEqual({
    kind: 'claimed',
    token,
    sequence: 1,
    attempt: 1,
    abandoned: 0,
    redrives: 0,
  });
});

test('an expired claim may be taken, which counts as abandoned and not as a try', async () => {
  const asked = request();
  await abandon(asked);
  await abandon(asked);
  expect(await claimOne(asked)).toMatchObject({ kind: 'claimed', attempt: 1, abandoned: 2 });
});

test('the same id with another payload is a conflict, in every state', async () => {
  const asked = request();
  const other = { ...asked, digest: randomBytes(32) };
  await abandon(asked);
  expect(await claimOne(other)).toEqual({ kind: 'conflict' });
  const token = randomUUID();
  await claimOne(asked, { token });
  expect(await claimOne(other)).toEqual({ kind: 'conflict' });
  await record(database.pool, STAGE, [{ key: asked.key, token, state: 'skipped', reason: 'x' }]);
  expect(await claimOne(other)).toEqual({ kind: 'conflict' });
});

test('when two workers claim at the same moment, one of them gets each event', async () => {
  const asked = Array.from({ length: 200 }, (_, index) => request(index));
  const tokens = [randomUUID(), randomUUID(), randomUUID()];
  const all = await Promise.all(
    tokens.map((token, index) =>
      // In different orders, as in different batches.
      claim(database.pool, STAGE, index === 1 ? asked.toReversed() : asked, token, LONG),
    ),
  );
  const kinds = all.flat().map(({ kind }) => kind);
  expect(kinds.filter((kind) => kind === 'claimed')).toHaveLength(200);
  expect(kinds.filter((kind) => kind === 'leased')).toHaveLength(400);
});

test('a result is recorded under the claim, and later claims are told of it', async () => {
  const asked = request();
  const token = randomUUID();
  await claimOne(asked, { token });
  const use = {
    usage: { calls: 2, input_tokens: 30, output_tokens: 4 },
    cost_usd: 0.25,
    duration_ms: 12.5,
    cached: false,
  };
  const finished = [{ key: asked.key, token, state: 'done', result: '["\\u0000{"]', use } as const];
  expect(await kept(record(database.pool, STAGE, finished), finished)).toEqual([true]);
  // A retry of a commit without an answer.
  expect(await kept(record(database.pool, STAGE, finished), finished)).toEqual([true]);
  expect(await row(asked.key)).toMatchObject({
    calls: 2,
    input_tokens: '30',
    cost_usd: 0.25,
    duration_ms: 12.5,
  });
  expect(await claimOne(asked)).toEqual({
    kind: 'finished',
    state: 'done',
    unpublished: '["\\u0000{"]',
    redrives: 0,
  });
  await markPublished(database.pool, STAGE, [{ key: asked.key, redrives: 1 }]);
  expect(await row(asked.key)).toMatchObject({ published_at: null });
  await markPublished(database.pool, STAGE, [{ key: asked.key, redrives: 0 }]);
  expect(await claimOne(asked)).toEqual({
    kind: 'finished',
    state: 'done',
    unpublished: undefined,
    redrives: 0,
  });
  // One more retry, after another process has published it: the row need not keep it again.
  expect(await kept(record(database.pool, STAGE, finished), finished)).toEqual([true]);
  expect(await row(asked.key)).toMatchObject({ state: 'done', result: null });
});

test('a zombie records nothing, releases nothing, renews nothing', async () => {
  const asked = request();
  const zombie = randomUUID();
  await abandon(asked, zombie);
  const token = randomUUID();
  await claimOne(asked, { token });
  const { key } = asked;
  const result = { key, token: zombie, state: 'done', result: '[]' } as const;
  const given = [{ key, token: zombie, countsAsAttempt: true }];
  expect(await kept(record(database.pool, STAGE, [result]), [result])).toEqual([false]);
  expect(await kept(release(database.pool, STAGE, given), given)).toEqual([false]);
  expect(await kept(renewed(given), given)).toEqual([false]);
  expect(await row(key)).toMatchObject({ state: 'claimed', attempts: 0, lease_token: token });
  // Nor after the other worker has finished the event or given it back.
  await record(database.pool, STAGE, [{ ...result, token }]);
  expect(await kept(record(database.pool, STAGE, [result]), [result])).toEqual([false]);
});

test.each(['stale first', 'live first'])(
  'a process with two claims on one event holds only the live one (%s)',
  async (order) => {
    const [asked, other] = [request(), request(2)];
    const { key } = asked;
    const stale = randomUUID();
    await abandon(asked, stale);
    const token = randomUUID();
    await claimOne(asked, { token });
    await claimOne(other, { token });
    const claims = [
      { key, token: stale },
      { key, token },
      { key: other.key, token },
    ];
    if (order === 'live first') claims.reverse();
    const expected = claims.map((one) => one.token !== stale);
    expect(await kept(renewed(claims), claims)).toEqual(expected);
    const given = claims.map((one) => ({ ...one, countsAsAttempt: one.token === stale }));
    expect(await kept(release(database.pool, STAGE, given), claims)).toEqual(expected);
    expect(await row(key)).toMatchObject({ attempts: 0 });
    const finished = claims.map((one) => ({
      ...one,
      state: 'done' as const,
      result: `"${one.token}"`,
    }));
    expect(await kept(record(database.pool, STAGE, finished), claims)).toEqual(expected);
    expect(await row(key)).toMatchObject({ state: 'done', result: `"${token}"` });
  },
);

test('statements with overlapping batches in any order do not deadlock', async () => {
  const { pool } = database;
  const asked = Array.from({ length: 150 }, (_, index) => request(index));
  const token = randomUUID();
  await claim(pool, STAGE, asked, token, LONG);
  // As in a table that has been in use for a while, the database looks up each key by itself.
  await pool.query('analyze memfleet.stage_work');
  const claims = asked.map(({ key }) => ({ key, token }));
  const backwards = claims.toReversed();
  const shuffled = claims.toSorted((a, b) => a.key.slice(9).localeCompare(b.key.slice(9)));
  const parked = (ones: readonly ClaimRef[]): Parameters<typeof record>[2] =>
    ones.map((one) => ({ ...one, state: 'parked', result: '{}' }));
  const marks = (ones: readonly ClaimRef[]): Parameters<typeof markPublished>[2] =>
    ones.map(({ key }) => ({ key, redrives: 0 }));
  const released = (ones: readonly ClaimRef[]): Parameters<typeof release>[2] =>
    ones.map((one) => ({ ...one, countsAsAttempt: false }));
  const pairs: readonly (readonly (() => Promise<unknown>)[])[] = [
    [
      () => renewClaims(pool, STAGE, claims, LONG),
      () => renewClaims(pool, STAGE, backwards, LONG),
      () => renewClaims(pool, STAGE, shuffled, LONG),
      () => claim(pool, STAGE, asked, token, LONG),
    ],
    [
      () => release(pool, STAGE, released(claims)),
      () => release(pool, STAGE, released(backwards)),
      () => renewClaims(pool, STAGE, shuffled, LONG),
      () => claim(pool, STAGE, asked.toReversed(), token, LONG),
    ],
    [
      () => record(pool, STAGE, parked(claims)),
      () => record(pool, STAGE, parked(backwards)),
      () => record(pool, STAGE, parked(shuffled)),
    ],
    [
      () => markPublished(pool, STAGE, marks(claims)),
      () => markPublished(pool, STAGE, marks(backwards)),
      () => markPublished(pool, STAGE, marks(shuffled)),
      () => record(pool, STAGE, parked(backwards)),
    ],
  ];
  for (const statements of pairs) {
    for (let round = 0; round < 40; round += 1) {
      const ended = await Promise.allSettled(statements.map((run) => run()));
      expect(ended.map(({ status }) => status)).toEqual(statements.map(() => 'fulfilled'));
    }
  }
});

test('a released claim is free at once; a try counts only when the event was to blame', async () => {
  const asked = request();
  const { key } = asked;
  for (const [countsAsAttempt, attempt] of [
    [false, 1],
    [true, 2],
    [true, 3],
  ] as const) {
    const token = randomUUID();
    await claimOne(asked, { token });
    const given = [{ key, token, countsAsAttempt }];
    expect(await kept(release(database.pool, STAGE, given), given)).toEqual([true]);
    // Retried after a lost answer, it does not count twice.
    await release(database.pool, STAGE, given);
    const next = randomUUID();
    expect(await claimOne(asked, { token: next })).toEqual({
      kind: 'claimed',
      token: next,
      sequence: 1,
      attempt,
      abandoned: 0,
      redrives: 0,
    });
    await release(database.pool, STAGE, [{ key, token: next, countsAsAttempt: false }]);
  }
});

test('a renewed claim outlives its first lease', async () => {
  const asked = request();
  const token = randomUUID();
  await claimOne(asked, { token, leaseMs: 300 });
  const held = [{ key: asked.key, token }];
  expect(await kept(renewed(held), held)).toEqual([true]);
  const startedAt = performance.now();
  await until('the first lease is over', () => performance.now() - startedAt > 350);
  expect(await claimOne(asked)).toEqual({ kind: 'leased' });
});

test('a claim in a large table reads only the rows it needs, with or without statistics', async () => {
  const fill = async (rows: number): Promise<void> => {
    await database.pool.query(
      `insert into memfleet.stage_work (stage, stage_version, event_key, tenant, event_id, sequence,
         payload_digest, state, lease_token, lease_until)
       select 'test', 1, gen_random_uuid(), 'acme', 'e', n, '\\x00', 'done', gen_random_uuid(), now()
       from generate_series(1, $1::int) as n`,
      [rows],
    );
  };
  const blocksOf = async (): Promise<number> => {
    const asked = Array.from({ length: 50 }, (_, index) => request(index));
    const client = await database.pool.connect();
    try {
      await client.query('begin');
      const before = await blocks(client);
      await claim(client, STAGE, asked, randomUUID(), LONG);
      const after = await blocks(client);
      await client.query('commit');
      return after - before;
    } finally {
      client.release();
    }
  };
  await fill(30_000);
  const { rows } = await database.pool.query<{ pages: string }>(
    `select pg_relation_size('memfleet.stage_work') / 8192 as pages`,
  );
  expect(Number(rows[0]?.pages)).toBeGreaterThan(500);
  const read = await blocksOf();
  expect(read).toBeGreaterThan(0);
  expect(read).toBeLessThan(500);
});

/** Pages of the dedupe table that this transaction has read so far. */
async function blocks(db: Pick<TestDatabase['pool'], 'query'>): Promise<number> {
  const { rows } = await db.query<{ blocks: string }>(
    `select pg_stat_get_xact_blocks_fetched('memfleet.stage_work'::regclass) as blocks`,
  );
  return Number(rows[0]?.blocks);
}

test('a claim names the redrive that reopened its row while it waited for it', async () => {
  const asked = request();
  const token = randomUUID();
  await claimOne(asked, { token });
  await record(database.pool, STAGE, [{ key: asked.key, token, state: 'parked' }]);
  const other = await database.pool.connect();
  await other.query('begin');
  await reopen(other, STAGE, [{ ...asked, redrives: 1 }]);
  const claiming = claimOne(asked);
  await until('the claim waits for the row', async () => {
    const { rows } = await database.pool.query(
      `select from pg_stat_activity where datname = current_database()
         and wait_event_type = 'Lock' and query like '%memfleet.stage_work%'`,
    );
    return rows.length === 1;
  });
  await other.query('commit');
  other.release();
  expect(await claiming).toMatchObject({ kind: 'claimed', attempt: 1, redrives: 1 });
});

test('the lease of a claim or renewal begins when the wait for its row ends', async () => {
  const [waited, free] = [request(1), request(2)];
  await Promise.all([abandon(waited), abandon(free)]);
  const requests = [waited, free].toSorted((a, b) => (a.key < b.key ? -1 : 1));
  const lock = (strength: string): string =>
    `select from memfleet.stage_work where event_key = '${requests[0]?.key ?? ''}' for ${strength}`;
  const areWhole = async (unlockedAt: string): Promise<boolean> => {
    const { rows } = await database.pool.query<{ whole: boolean }>(
      `select bool_and(lease_until >= $1::timestamptz + interval '60 seconds') as whole
        from memfleet.stage_work`,
      [unlockedAt],
    );
    return rows[0]?.whole === true;
  };
  const token = randomUUID();
  const claimed = await whileLocked(database.pool, lock('no key update'), () =>
    claim(database.pool, STAGE, requests, token, LONG),
  );
  expect(claimed.answer.map(({ kind }) => kind)).toEqual(['claimed', 'claimed']);
  expect(await areWhole(claimed.unlockedAt)).toBe(true);
  const refs = requests.map(({ key }) => ({ key, token }));
  const again = await whileLocked(database.pool, lock('share'), () => renewed(refs));
  expect(refs.map((one) => again.answer.has(one))).toEqual([true, true]);
  expect(await areWhole(again.unlockedAt)).toBe(true);
});
