import { expect, inject, test } from 'vitest';
import { z } from 'zod';
import { runCommand } from '../support/cli.ts';

const measure = z.strictObject({
  measure: z.literal('rebuild-memories'),
  // Those that the warm-up left.
  events: z.int().positive().max(1_500),
  bytesPerEvent: z.int().min(300),
  seconds: z.number().positive(),
  perSecond: z.int().positive(),
  limitPerSecond: z.int().positive(),
  ratio: z.number().positive(),
  rssMB: z.int().positive(),
  settings: z.strictObject({
    batch: z.literal(1_000),
    lanes: z.literal(1),
    warmUp: z.literal(375),
    rounds: z.literal(1),
    replicas: z.literal(1),
    rowsPerSecond: z.int().positive(),
    indexSeconds: z.number().positive(),
    limitWithoutSearchIndex: z.int().positive(),
  }),
});

test('measures a rebuild beside a hand-written loop, including indexes', async () => {
  const servers = { NATS_URL: inject('natsUrl'), DATABASE_URL: inject('databaseUrl') };
  const { code, stdout, stderr } = await runCommand(
    ['bench', 'rebuild', '--events', '1500', '--json'],
    servers,
  );
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const lines = stdout.split('\n').map((line) => measure.parse(JSON.parse(line)));
  expect(lines).toHaveLength(1);
  const [{ perSecond, settings } = { perSecond: 0, settings: { rowsPerSecond: 0 } }] = lines;
  expect(perSecond).toBeLessThanOrEqual(settings.rowsPerSecond);
  // The indexes for readers are deferred while the generation is filled.
  expect(stderr).toContain('building the index memories_keys');
  expect(stderr).toContain('building the index accesses_memory');
});
