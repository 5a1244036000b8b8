import { Budget, BudgetSpent } from '@memfleet/models';
import { expect, test } from 'vitest';
import { createTestDatabase } from '../../support/database.ts';
import { silent } from '../../support/stage.ts';

test('what is dearer than a whole budget has one to itself, and stops nobody for ever', async () => {
  await using database = await createTestDatabase();
  const config = { perTenant: { hourlyTokens: 100 } };
  const budget = new Budget({ stage: 'extraction', config, db: database.pool, log: silent });
  const dear = { tokens: 500, usd: 0 };
  const small = { tokens: 10, usd: 0 };
  // After something small it has to wait for the next window.
  (await budget.reserve('acme', small)).settle(small);
  await expect(budget.reserve('acme', dear)).rejects.toThrow(BudgetSpent);
  // In one of its own it is called, and then nothing else.
  (await budget.reserve('other', dear)).settle(dear);
  await expect(budget.reserve('other', small)).rejects.toThrow(BudgetSpent);
});
