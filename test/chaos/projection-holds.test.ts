import { expect, test } from 'vitest';
import { brokerOfFile } from '../support/broker.ts';
import { surviveHolds } from './hold-storm.ts';

const broker = brokerOfFile();

test('lanes skip no event under holds that come and go', { timeout: 300_000 }, async () => {
  const saw = await surviveHolds(broker, { events: 20_000, seed: 7 });
  expect(saw.wrong).toBe(0);
  expect(saw.holds).toBeGreaterThan(0);
});
