import { Budget, BudgetSpent, type Cost, EVERY_TENANT } from '@memfleet/models';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { silent } from '../../support/stage.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

type Options = ConstructorParameters<typeof Budget>[0];

const FORGOTTEN_MS = 601_000;

/** A table of spending that a test writes, and the tenants that were looked up last. */
function spending(): { readonly db: Options['db']; usd: Record<string, number>; asked: string[] } {
  const table = {
    usd: {} as Record<string, number>,
    asked: [] as string[],
    db: {
      query: async ({ values }: { readonly values: readonly [string, string[]] }) => {
        [, table.asked] = values;
        const rows = table.asked.map((tenant) => {
          const usd = table.usd[tenant] ?? 0;
          const left = { hourLeftMs: 3_600_000, dayLeftMs: 86_400_000 };
          return { tenant, hourTokens: 0, dayTokens: 0, hourUsd: usd, dayUsd: usd, ...left };
        });
        return await Promise.resolve({ rows });
      },
    } as unknown as Options['db'],
  };
  return table;
}

/** Gives the look-up its time. */
async function reserve(
  budget: Budget,
  cost: Cost,
): Promise<Awaited<ReturnType<Budget['reserve']>>> {
  const reserving = budget.reserve('acme', cost);
  // The test awaits it below; until then a refusal must not count as unhandled.
  reserving.catch(() => undefined);
  await vi.advanceTimersByTimeAsync(10);
  return await reserving;
}

const usd = (amount: number): Cost => ({ tokens: 0, usd: amount });

test('a process whose calls have all ended is alone again, whatever their costs add up to', async () => {
  const { db } = spending();
  const budget = new Budget({ stage: 'test', config: { hourlyUsd: 1 }, db, log: silent });
  const open = [await reserve(budget, usd(0.1)), await reserve(budget, usd(0.2))];
  for (const reservation of open) reservation.settle();
  expect(0.1 + 0.2 - 0.1 - 0.2).toBeGreaterThan(0);
  // A share is a quarter of the rest; a single call may use all of it.
  await budget.refresh(4);
  (await reserve(budget, usd(0.6))).settle();
});

test('an account is forgotten when nobody uses it', async () => {
  const table = spending();
  const budget = new Budget({ stage: 'test', config: { hourlyUsd: 1 }, db: table.db, log: silent });
  const open = [await reserve(budget, usd(0.1)), await reserve(budget, usd(0.2))];
  await vi.advanceTimersByTimeAsync(FORGOTTEN_MS);
  await budget.refresh(1);
  expect(table.asked).toEqual([EVERY_TENANT]);
  for (const reservation of open) reservation.settle();
  table.asked = [];
  await budget.refresh(1);
  expect(table.asked).toEqual([]);
});

test('a spent tenant is known until its window moves, although nothing is called for it', async () => {
  const table = spending();
  const config = { perTenant: { hourlyUsd: 1 } };
  const budget = new Budget({ stage: 'test', config, db: table.db, log: silent });
  table.usd = { acme: 1 };
  await expect(reserve(budget, usd(0.5))).rejects.toThrow(BudgetSpent);
  for (let look = 0; look < 3; look += 1) {
    await vi.advanceTimersByTimeAsync(FORGOTTEN_MS);
    await budget.refresh(1);
    expect(budget.spentTenants).toEqual(['acme']);
  }
  table.usd = {};
  await budget.refresh(1);
  expect(budget.spentTenants).toEqual([]);
  // From here on it is idle, and is forgotten like any other.
  await vi.advanceTimersByTimeAsync(FORGOTTEN_MS);
  table.asked = [];
  await budget.refresh(1);
  expect(table.asked).toEqual([]);
});
