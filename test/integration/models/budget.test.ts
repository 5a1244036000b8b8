import { Budget, BudgetSpent } from '@memfleet/models';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../support/database.ts';
import { silent } from '../../support/stage.ts';

test('a call that costs more than a whole budget gets one to itself, and blocks nobody for ever', async () => {
  await using database = await createTestDatabase();
  const config = { perTenant: { hourlyTokens: 100 } };
  const budget = new Budget({ stage: 'extraction', config, db: database.pool, log: silent });
  const dear = { tokens: 500, usd: 0 };
  const small = { tokens: 10, usd: 0 };
  // After a small call it has to wait for the next window.
  (await budget.reserve('acme', small)).settle(small);
  await expect(budget.reserve('acme', dear)).rejects.toThrow(BudgetSpent);
  // In a window of its own it is called, and then no other call.
  (await budget.reserve('other', dear)).settle(dear);
  await expect(budget.reserve('other', small)).rejects.toThrow(BudgetSpent);
});
