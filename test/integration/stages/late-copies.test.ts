import { randomBytes, randomUUID } from 'node:crypto';
import { publishSubject } from '@memfleet/events';
import { retry } from '@memfleet/stages';
import { expect, test } from 'vitest';
import {
  type Claim,
  claim,
  type ClaimRequest,
  record,
} from '../../../shared/stages/src/claims/dedupe.ts';
import { release } from '../../../shared/stages/src/claims/held-claims.ts';
import { reopen } from '../../../shared/stages/src/dead-letters/reopen.ts';
import { counting } from '../../support/counting-stage.ts';
import { createTestDatabase, type TestDatabase } from '../../support/database.ts';
import { memoryCreated, nothingExtracted } from '../../support/events.ts';
import { readLog } from '../../support/log-stream.ts';
import { createStageBench, type StageBench } from '../../support/stage.ts';
import { IDENTITY } from '../../support/storing-stage.ts';
import { until } from '../../support/until.ts';

const LONG = 60_000;

function request(sequence: number): ClaimRequest {
  const [key, eventId] = [randomUUID(), randomUUID()];
  return { key, tenant: 'acme', eventId, sequence, digest: randomBytes(32) };
}

async function claimOne(
  { pool }: TestDatabase,
  asked: ClaimRequest,
  token: string = randomUUID(),
): Promise<Claim | undefined> {
  return (await claim(pool, IDENTITY, [asked], token, LONG))[0];
}

test.each([
  ['given back', 3, 1],
  ['abandoned', 3, 1],
  ['given back', 0, 0],
  ['abandoned', 0, 0],
])('an event that was %s and comes at %i stands at %i', async (how, copyAt, expected) => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const [asked, token] = [request(1), randomUUID()];
  expect(await claimOne(database, asked, token)).toMatchObject({ sequence: 1 });
  if (how === 'abandoned') {
    await pool.query(`update memfleet.stage_work set lease_until = now() - interval '1 s'`);
  } else {
    await release(pool, IDENTITY, [{ key: asked.key, token, countsAsAttempt: false }]);
  }
  const copy = { ...asked, sequence: copyAt };
  const next = randomUUID();
  expect(await claimOne(database, copy, next)).toMatchObject({ sequence: expected });
  // A retry of that claim, whose answer was lost.
  expect(await claimOne(database, copy, next)).toMatchObject({ sequence: expected });
  const { rows } = await pool.query<{ sequence: string }>(
    'select sequence from memfleet.stage_work',
  );
  expect(rows).toEqual([{ sequence: String(expected) }]);
});

test('a redriven copy stands where the log has the event first', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const [asked, token] = [request(1), randomUUID()];
  await claimOne(database, asked, token);
  await record(pool, IDENTITY, [{ key: asked.key, token, state: 'parked' }]);
  const copy = { ...asked, sequence: 3 };
  await reopen(pool, IDENTITY, [{ ...copy, redrives: 1 }]);
  expect(await claimOne(database, copy)).toMatchObject({
    kind: 'claimed',
    sequence: 1,
    redrives: 1,
  });
});

test('a late copy that comes before the second try does not give the event a newer place', async () => {
  await using bench = await createStageBench();
  const { broker, config, database } = bench;
  const event = memoryCreated('Ada drinks coffee');
  const revised = memoryCreated('Ada drinks tea', { type: 'memory.revised' });
  const seen: { readonly id: string; readonly sequence: number; readonly cause: number }[] = [];
  const stage = counting(async (one, { sequence, cause }) => {
    seen.push({ id: one.id, sequence, cause: cause.sequence });
    // The event itself is not delivered again while the test runs, so that its copy comes first.
    if (seen.length === 1) return retry(600_000, 'not yet', false);
    return { kind: 'done', events: [nothingExtracted(one, cause.sequence, IDENTITY)] };
  });
  await bench.publish(event);
  bench.start(stage);
  await until('the event is given back', async () => {
    const { rowCount } = await database.pool.query(
      `select from memfleet.stage_work where state = 'claimed' and lease_until = '-infinity'`,
    );
    return rowCount === 1;
  });
  await bench.publish(revised);
  await until('the newer event has its result', async () => (await bench.derived()) === 1);
  const subject = publishSubject(config.log.root, 'acme', 'note', 'content', 'created');
  const copy = await broker.jetstream.publish(subject, JSON.stringify(event), {
    msgID: 'outside of the duplicate window',
  });
  expect(copy.seq).toBeGreaterThan(2);
  await until('the copy has its result', async () => (await bench.derived()) === 2);
  expect(seen).toEqual([
    { id: event.id, sequence: 1, cause: 1 },
    { id: revised.id, sequence: 2, cause: 2 },
    { id: event.id, sequence: 1, cause: 1 },
  ]);
  expect(await causesOf(bench)).toEqual([
    [revised.id, 2],
    [event.id, 1],
  ]);
});

/** The causes that derived events of the log name, in its order. */
async function causesOf({ broker, config }: StageBench): Promise<[string, number][]> {
  const stored = await readLog(broker.connection, config.log);
  return stored.flatMap(({ subject, bytes }): [string, number][] => {
    if (!subject.includes('.derived.')) return [];
    const { data } = JSON.parse(Buffer.from(bytes).toString()) as {
      data: { cause: { id: string; sequence: number } };
    };
    return [[data.cause.id, data.cause.sequence]];
  });
}
