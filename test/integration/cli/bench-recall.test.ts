import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, inject, test, vi } from 'vitest';
import { z } from 'zod';
import { connectTestBroker } from '../../support/broker.ts';
import { createTestDatabase } from '../../support/database.ts';
import { startModelService } from '../../support/model-service.ts';
import { runCli } from './run-cli.ts';

const share = z.number().min(0).max(1);
const measure = z.strictObject({
  measure: z.literal('recall'),
  ranking: z.enum(['product', 'text', 'vectors']),
  category: z.string(),
  questions: z.int().positive(),
  recall5: share,
  recall10: share,
  recall25: share,
  hit10: share,
  mrr: share,
  p50ms: z.number().positive(),
  p95ms: z.number().positive(),
});

const fusionMeasure = measure
  .omit({ ranking: true, category: true, p50ms: true, p95ms: true })
  .extend({
    measure: z.literal('recall-fusion'),
    weights: z.enum(['today', 'best']),
    textWeight: z.number().positive(),
    vectorWeight: z.number().positive(),
    k: z.number().positive(),
  });

const EVENTS = [
  ['acme', 'tea', 'ada', 'Ada drinks nothing but green tea after lunch.'],
  ['acme', 'ferry', 'ada', 'The ferry to the island leaves at seven.'],
  ['acme', 'lamp', 'bo', 'The lamp in the hall flickers when it rains.'],
  ['other', 'tea', 'ada', 'Tea is served at noon in the pavilion.'],
] as const;

const QUESTIONS = [
  { tenant: 'acme', question: 'When does the ferry sail?', expected: ['ferry'], category: 'times' },
  { tenant: 'acme', question: 'Who drinks tea?', expected: ['tea'], category: 'habits' },
  { tenant: 'other', question: 'Where is tea served?', expected: ['tea'] },
  // The answer belongs to another user: memories outside the scope must not be found.
  {
    tenant: 'acme',
    question: 'Why does the lamp flicker?',
    expected: ['lamp'],
    user: 'ada',
    category: 'scope',
  },
];

// Three worker processes start and stop in each: on a machine with other work that takes a while.
vi.setConfig({ testTimeout: 180_000 });

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'memfleet-bench-recall-'));
  const events = EVENTS.map(([tenant, memory, user, content]) =>
    JSON.stringify({ tenant, memory, type: 'memory.created', data: { content, scope: { user } } }),
  );
  await writeFile(join(folder, 'events.jsonl'), events.join('\n'));
  const questions = QUESTIONS.map((question) => JSON.stringify(question));
  await writeFile(join(folder, 'questions.jsonl'), questions.join('\n'));
});
afterAll(async () => {
  await rm(folder, { recursive: true });
});

function bench(
  where: string,
  flags: readonly string[],
  settings: Readonly<Record<string, string>> = {},
): ReturnType<typeof runCli> {
  const env = { NATS_URL: inject('natsUrl'), DATABASE_URL: inject('databaseUrl'), ...settings };
  return runCli(['bench', 'recall', where, ...flags], { env });
}

test('prints one line per ranking and category, the product and overall first', async () => {
  const { code, stdout, stderr } = await bench(folder, ['--json']);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const lines = stdout.trimEnd().split('\n');
  const measures = lines.map((line) => measure.parse(JSON.parse(line)));
  expect(measures.map(({ ranking, category }) => `${ranking} ${category}`)).toEqual(
    ['product', 'text', 'vectors'].flatMap((ranking) =>
      ['overall', 'times', 'habits', 'scope'].map((category) => `${ranking} ${category}`),
    ),
  );
  const scoreOf = (ranking: string, category: string): unknown =>
    measures.find((each) => each.ranking === ranking && each.category === category);
  for (const ranking of ['product', 'text', 'vectors']) {
    expect(scoreOf(ranking, 'overall')).toMatchObject({ questions: 4, recall5: 0.75, hit10: 0.75 });
    expect(scoreOf(ranking, 'times')).toMatchObject({ questions: 1, recall5: 1, mrr: 1 });
    expect(scoreOf(ranking, 'scope')).toMatchObject({ questions: 1, recall25: 0, mrr: 0 });
  }
  await expectNothingLeft();
});

test('with the configured embedding model, and the weights that would find most', async () => {
  await using service = await startModelService();
  const provider = {
    MEMFLEET_STAGES_EMBEDDING_PROVIDER_KIND: 'openai-compatible',
    MEMFLEET_STAGES_EMBEDDING_PROVIDER_BASE_URL: service.url,
    MEMFLEET_STAGES_EMBEDDING_PROVIDER_MODEL: 'test-model',
    MEMFLEET_STAGES_EMBEDDING_PROVIDER_DIMENSIONS: '8',
  };
  const { code, stdout, stderr } = await bench(folder, ['--json', '--model', '--fit'], provider);
  expect({ code, stderr }).toMatchObject({ code: 0 });
  const texts = service.calls.flatMap(({ body }) => body['input']);
  expect(texts).toContain('The ferry to the island leaves at seven.');
  expect(texts).toContain('When does the ferry sail?');
  const [today, best] = stdout
    .trimEnd()
    .split('\n')
    .slice(-2)
    .map((line) => fusionMeasure.parse(JSON.parse(line)));
  expect([today?.weights, best?.weights]).toEqual(['today', 'best']);
  const sum = (each: z.output<typeof fusionMeasure> | undefined): number =>
    each === undefined ? 0 : each.recall5 + each.recall10 + each.recall25 + each.mrr;
  expect(sum(best)).toBeGreaterThanOrEqual(sum(today));
  expect(sum(best)).toBeGreaterThan(0);
});

test('--model without a model is wrong usage', async () => {
  const { code, stderr } = await bench(folder, ['--model']);
  expect(code).toBe(2);
  expect(stderr).toContain('stages.embedding.provider is local');
});

test('a bad line ends it before anything starts', async () => {
  const wrong = await mkdtemp(join(tmpdir(), 'memfleet-bench-recall-'));
  await writeFile(join(wrong, 'events.jsonl'), '{"tenant":"acme"}\n');
  await writeFile(join(wrong, 'questions.jsonl'), '');
  const { code, stdout, stderr } = await runCli(['bench', 'recall', wrong, '--json'], {
    env: { NATS_URL: 'nats://127.0.0.1:1', DATABASE_URL: 'postgres://127.0.0.1:1/x' },
  });
  await rm(wrong, { recursive: true });
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  expect(stderr).toContain('memfleet: events.jsonl:1: memory: must be 1 to 64 letters');
  expect(stderr).toContain(`memfleet: 1 line is wrong in ${wrong}. Correct `);
});

async function expectNothingLeft(): Promise<void> {
  await using broker = await connectTestBroker();
  const streams: string[] = [];
  for await (const name of broker.jsm.streams.names()) streams.push(name);
  expect(streams.filter((name) => name.startsWith('BENCH_'))).toEqual([]);
  await using database = await createTestDatabase();
  const { rows } = await database.pool.query(
    `select datname from pg_database where datname like 'memfleet_bench%'`,
  );
  expect(rows).toEqual([]);
}
