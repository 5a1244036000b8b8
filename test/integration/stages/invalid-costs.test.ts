import type { ModelUse } from '@memfleet/events';
import {
  addSpend,
  Budget,
  EVERY_TENANT,
  PaidCalls,
  ProviderGate,
  ResultCache,
} from '@memfleet/models';
import { migrate, type Pool, Waits } from '@memfleet/runtime';
import { DEAD_LETTER_HEADERS, retry } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { readMigrations } from '../../../shared/runtime/src/database/migrate.ts';
import { createTestDatabase } from '../../support/database.ts';
import { nothingExtracted } from '../../support/events.ts';
import { createStageBench, silent } from '../../support/stage.ts';
import { callsOf, IDENTITY, notes, storesNothing, storing } from '../../support/storing-stage.ts';

const BAD = 'note 1';

function useOf(cost: number, tokens = 10): ModelUse {
  const usage = { calls: 1, input_tokens: tokens, output_tokens: 0 };
  return { usage, cost_usd: cost, duration_ms: 1, cached: false };
}

/** Dollars by tenant, as the budget reads them. */
async function spending(pool: Pool): Promise<Map<string, number>> {
  const { rows } = await pool.query<{ tenant: string; cost_usd: number }>(
    'select tenant, cost_usd from memfleet.spend',
  );
  return new Map(rows.map((row) => [row.tenant, row.cost_usd]));
}

test.concurrent.each<[string, ModelUse, RegExp]>([
  ['a cost of NaN', useOf(Number.NaN), /cost_usd is NaN/],
  ['a negative cost', useOf(-1), /cost_usd is -1/],
  ['an infinite cost', useOf(Number.POSITIVE_INFINITY), /cost_usd is Infinity/],
  ['NaN tokens', useOf(1, Number.NaN), /usage\.input_tokens is NaN/],
])('%s is a fault of its handler, and spoils no sum', async (_, bad, fault) => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '2' });
  await bench.publish(...notes(3));
  const stage = storing(storesNothing, async (event, { sequence, attempt }) => {
    const isBad = (event.data as { content: string }).content === BAD;
    if (isBad && attempt === 1) return { ...retry(0, 'not yet'), use: bad };
    const events = [nothingExtracted(event, sequence, IDENTITY)];
    return { kind: 'done', events, use: isBad ? bad : useOf(1) };
  });
  bench.start(stage);
  await bench.settled();
  expect((await bench.work()).map(({ state }) => state)).toEqual(['done', 'parked', 'done']);
  expect(callsOf(stage, BAD)).toBe(2);
  const { deadLetters } = bench.config;
  const letter = await bench.broker.jsm.streams.getMessage(deadLetters.stream, { seq: 1 });
  expect(letter?.header.get(DEAD_LETTER_HEADERS.message)).toMatch(fault);
  expect(Object.fromEntries(await spending(bench.database.pool))).toEqual({
    'tenant-0': 1,
    'tenant-2': 1,
    [EVERY_TENANT]: 2,
  });
});

test('costs that are no amounts are not added, and are named', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const [good, bad] = [
    { tenant: 'acme', use: useOf(0.5) },
    { tenant: 'other', use: useOf(Number.NaN) },
  ];
  expect(await addSpend(pool, 'test', [good, bad])).toEqual([bad]);
  expect(Object.fromEntries(await spending(pool))).toEqual({ acme: 0.5, [EVERY_TENANT]: 0.5 });
});

test('a migrated table takes no cost that is no amount, and forgets those it has', async () => {
  await using database = await createTestDatabase();
  const { pool } = database;
  const insert = `insert into memfleet.spend (stage, tenant, hour, cost_usd, input_tokens)
    values ('test', $1, date_trunc('hour', now(), 'UTC'), $2, $3)`;
  for (const cost of ['NaN', 'Infinity', '-1']) {
    await expect(pool.query(insert, ['acme', cost, 1])).rejects.toMatchObject({ code: '23514' });
  }
  await expect(pool.query(insert, ['acme', 1, -1])).rejects.toMatchObject({ code: '23514' });
  // As a version before this migration left it.
  const { number } = readMigrations().find(({ name }) => name === 'spend_is_a_number') ?? {};
  await pool.query('alter table memfleet.spend drop constraint spend_is_a_number');
  await pool.query('delete from memfleet.migrations where number >= $1', [number]);
  await pool.query(insert, ['acme', 'NaN', 7]);
  await pool.query(insert, ['other', 2, 7]);
  const from = readMigrations().filter((one) => one.number === number);
  await migrate(pool, [...readMigrations().filter((one) => one.number < (number ?? 0)), ...from]);
  expect(Object.fromEntries(await spending(pool))).toEqual({ acme: 0, other: 2 });
});

test('an answer whose cost is no amount fails, and is not kept', async () => {
  await using bench = await createStageBench();
  const { pool } = bench.database;
  const budget = new Budget({
    stage: IDENTITY.name,
    config: { hourlyUsd: 2 },
    db: pool,
    log: silent,
  });
  const calls = new PaidCalls({
    stage: IDENTITY.name,
    gate: new ProviderGate({ budget }),
    cache: new ResultCache(pool, { batch: 10, lingerMs: 1 }),
    schema: z.string(),
    timeoutMs: 60_000,
  });
  const asker = { tenant: 'acme', signal: new AbortController().signal, waits: new Waits() };
  const ask = async (costUsd: number, question = 'a question'): Promise<unknown> =>
    await calls.ask(
      {
        key: [question],
        expected: { tokens: 0, usd: 1 },
        call: async () => ({ ...useOf(0), result: 'an answer', costUsd }),
      },
      asker,
    );
  await expect(ask(Number.NaN)).rejects.toThrow(/cost_usd is NaN/);
  // What it costs is not known, so it counts as expected: one more fits, and a third would not.
  expect(await ask(0.5)).toMatchObject({ result: 'an answer', use: { cost_usd: 0.5 } });
  await expect(ask(0.5, 'another')).rejects.toThrow(/has spent|may use up/);
});
