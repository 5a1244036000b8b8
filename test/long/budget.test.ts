import type { ModelUse } from '@memfleet/events';
import {
  addSpend,
  Budget,
  BudgetSpent,
  EVERY_TENANT,
  ProviderError,
  ProviderGate,
  ProviderState,
  readSpend,
} from '@memfleet/models';
import { healthOf } from '@memfleet/runtime';
import type { Stage } from '@memfleet/stages';
import { expect, test } from 'vitest';
import { createTestDatabase, type TestDatabase } from '../support/database.ts';
import { memoryCreated, nothingExtracted } from '../support/events.ts';
import { createStageBench, silent, type StageBench } from '../support/stage.ts';
import { until } from '../support/until.ts';

const IDENTITY = { name: 'extraction', version: 1 };
const TOKENS = 100;
const USE: ModelUse = {
  usage: { calls: 1, input_tokens: 70, output_tokens: 30 },
  cost_usd: 0.5,
  duration_ms: 1,
  cached: false,
};
const COST = { tokens: TOKENS, usd: 0.5 };

type Limits = ConstructorParameters<typeof Budget>[0]['config'];

interface Spending extends AsyncDisposable {
  readonly gate: ProviderGate;
  readonly stage: Stage;
  /** The tenants for which calls were made. */
  readonly calls: string[];
}

/** A stage whose calls cost 100 tokens and half a dollar each. */
async function spending(db: TestDatabase['pool'], config: Limits): Promise<Spending> {
  const budget = new Budget({ stage: IDENTITY.name, config, db, log: silent });
  const gate = new ProviderGate({ budget });
  const about = { db, stage: IDENTITY.name, instance: 'one', gate, log: silent };
  const state = new ProviderState(about);
  await state.start();
  const calls: string[] = [];
  return {
    gate,
    calls,
    stage: {
      ...IDENTITY,
      async handle(event, { sequence }) {
        const reservation = await gate.reserve(event.tenantid, COST);
        await gate.call(async () => calls.push(event.tenantid));
        reservation.settle(COST);
        const events = [nothingExtracted(event, sequence, IDENTITY)];
        return { kind: 'done', events, use: USE };
      },
    },
    async [Symbol.asyncDispose]() {
      state.stop();
    },
  };
}

async function publish(bench: StageBench, tenant: string, events: number): Promise<void> {
  const batch = Array.from({ length: events }, (_, index) =>
    memoryCreated(`note ${index}`, { tenant, memory: `m${index}` }),
  );
  await bench.publisher.appendBatch(batch);
}

async function nextHour({ database }: StageBench): Promise<void> {
  await database.pool.query(`update memfleet.spend set hour = hour - interval '1 hour'`);
}

test('a spent budget stops calls, says so, and resumes when the window moves', async () => {
  await using bench = await createStageBench();
  await using one = await spending(bench.database.pool, { hourlyTokens: 10 * TOKENS });
  await publish(bench, 'acme', 25);
  const { progress } = bench.start(one.stage, { gate: one.gate, turns: true });
  const isSpent = (): boolean => progress.state.cause?.includes('has spent') ?? false;
  await until('it pauses', () => progress.state.state === 'paused' && isSpent());
  expect(one.calls).toHaveLength(10);
  expect(progress.state.cause).toBe('budget: the stage has spent its 1000 tokens for this hour');
  const health = healthOf({ worker: 'w', progress, stalledAfterMs: 0, backlog: () => 15 });
  expect(health).toMatchObject({ healthy: true, state: 'paused' });
  const spent = await readSpend(bench.database.pool, IDENTITY.name, [EVERY_TENANT, 'acme']);
  for (const tenant of [EVERY_TENANT, 'acme']) {
    expect(spent.get(tenant)).toMatchObject({ hourTokens: 1_000, hourUsd: 5, dayTokens: 1_000 });
  }

  await nextHour(bench);
  // Also recorded: spending recorded after the hour has changed belongs to the new one.
  await until('work continues', async () => (await bench.derived()) === 20);
  expect(one.calls).toHaveLength(20);
  await nextHour(bench);
  await until('all is done', async () => (await bench.derived()) === 25);
  expect(one.calls).toHaveLength(25);
  expect(await bench.deadLetters()).toBe(0);
  expect((await bench.work()).every(({ attempts }) => attempts === 0)).toBe(true);
});

test('a tenant over its budget waits, without delaying others', async () => {
  // So few may be unacked at a time that the waiting ones would fill the durable.
  await using bench = await createStageBench({
    'stages.extraction.concurrency': '4',
    'stages.extraction.batch': '4',
    'stages.extraction.maxAckPending': '4',
  });
  await using one = await spending(bench.database.pool, { perTenant: { hourlyUsd: 2.5 } });
  await publish(bench, 'greedy', 60);
  await publish(bench, 'modest', 3);
  const { progress } = bench.start(one.stage, { gate: one.gate, turns: true });
  const done = (tenant: string): number => one.calls.filter((name) => name === tenant).length;
  await until('the other is served', () => done('modest') === 3);
  await bench.settled();
  expect(done('greedy')).toBe(5);
  expect(progress.state).toMatchObject({ state: 'idle', cause: 'budget: spent by greedy' });
  const { rows } = await bench.database.pool.query<{ tenant: string; events: number }>(
    'select tenant, count(*)::int as events from memfleet.tenant_queue group by tenant',
  );
  expect(rows).toEqual([{ tenant: 'greedy', events: 55 }]);
  expect((await bench.work()).every(({ attempts }) => attempts === 0)).toBe(true);

  await nextHour(bench);
  await until('work continues by itself', () => done('greedy') === 10);
  expect(await bench.deadLetters()).toBe(0);
});

test('failed calls are accounted for, once each', async () => {
  await using bench = await createStageBench({ 'stages.extraction.maxAttempts': '2' });
  await publish(bench, 'acme', 3);
  bench.start({
    ...IDENTITY,
    async handle() {
      throw new ProviderError('invalid_output', 'no JSON', { use: USE });
    },
  });
  await until('all are parked', async () => (await bench.deadLetters()) === 3);
  await bench.settled();
  const spent = await readSpend(bench.database.pool, IDENTITY.name, ['acme']);
  expect(spent.get('acme')).toMatchObject({ hourTokens: 6 * TOKENS, hourUsd: 3 });
});

test('processes that reserve at the same time stay within the budget together', async () => {
  await using database = await createTestDatabase();
  const db = database.pool;
  const config = { dailyTokens: 40 * TOKENS };
  const fleet = Array.from(
    { length: 4 },
    () => new Budget({ stage: 'extraction', config, db, log: silent }),
  );
  let granted = 0;
  for (let round = 0; round < 12; round += 1) {
    await Promise.all(
      fleet.map(async (budget) => {
        await budget.refresh(fleet.length);
        for (let call = 0; call < 20; call += 1) {
          try {
            const reservation = await budget.reserve('acme', COST);
            granted += 1;
            await addSpend(db, 'extraction', [{ tenant: 'acme', use: USE }]);
            reservation.settle(COST);
          } catch (error) {
            if (!(error instanceof BudgetSpent)) throw error;
          }
        }
      }),
    );
  }
  // A rest that is smaller than one call per process may go to one call in each.
  expect(granted).toBeGreaterThan(10);
  expect(granted).toBeLessThanOrEqual(40 + fleet.length - 1);
});

test('the day counts when the hour has room, and a call larger than the rest is not made', async () => {
  await using database = await createTestDatabase();
  const db = database.pool;
  const config = { hourlyTokens: 1_000, dailyTokens: 250 };
  const budget = new Budget({ stage: 'extraction', config, db, log: silent });
  await addSpend(db, 'extraction', [
    { tenant: 'a', use: USE },
    { tenant: 'b', use: USE },
  ]);
  await expect(budget.reserve('c', COST)).rejects.toThrow('its 250 tokens for this day');
  expect(budget.pause?.cause).toContain('this day');
  await expect(budget.reserve('c', { tokens: 10, usd: 0 })).rejects.toThrow(BudgetSpent);
});
