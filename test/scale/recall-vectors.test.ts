import { makeVectorIndex, vectorSpaces } from '@memfleet/projections';
import { createEmbedder, recall, type RecallQuery, type RecallScope } from '@memfleet/recall';
import { realArray, withoutTimeLimit } from '@memfleet/runtime';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { latencyOf } from '../../workers/cli/src/bench/latency.ts';
import type { TestDatabase } from '../support/database.ts';
import { GeneratedTexts } from './generated-texts.ts';
import { type LargeMemory, largeTenants } from './large-tenants.ts';

const MEMORIES = Number(process.env['MEMFLEET_SCALE_VECTORS'] ?? 1_000_000);
const QUESTIONS = 100;
const ONE_IN = 100;
const GIB = 1_024 ** 3;

const embedder = createEmbedder({ kind: 'local' });

function* memories(): Generator<LargeMemory> {
  const texts = new GeneratedTexts(1);
  for (let index = 0; index < MEMORIES; index += 1) {
    const part = String(index % ONE_IN);
    yield {
      tenant: 'large',
      content: texts.text(12),
      user: `user-${part}`,
      agent: `agent-${part}`,
    };
  }
}

let database: TestDatabase;
beforeAll(async () => {
  database = await largeTenants(memories(), { vectors: true });
  const { pool } = database;
  const [space] = await vectorSpaces(pool);
  if (space === undefined) throw new Error('no vector was stored');
  const start = performance.now();
  await makeVectorIndex(pool, space, { memoryBytes: 3 * GIB });
  report(`indexed in ${Math.round((performance.now() - start) / 1_000)} s`);
}, 7_200_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

/** The ten nearest, each with its similarity, and how long it took. */
async function ask(query: string, more: Partial<RecallQuery>) {
  const start = performance.now();
  const { hits, notes } = await recall(database.pool, {
    tenant: 'large',
    query,
    embedder,
    halves: 'vectors',
    neighbours: 'off',
    ...more,
  });
  const ms = performance.now() - start;
  return { similarities: hits.map(({ vector }) => vector?.similarity ?? -1), notes, ms };
}

/** The result without an index. */
async function exactly(query: string, scope: RecallScope): Promise<number[]> {
  const [vector] = embedder.embed([query]);
  if (vector === undefined) throw new Error('no vector');
  const { rows } = await database.pool.query<{ similarity: number }>(
    withoutTimeLimit(
      `select memfleet.cosine_similarity(embedding, $1::real[]) as similarity
      from memory.memories join memory.embeddings using (tenant, memory)
      join memfleet.vectors on vectors.space = embeddings.space
        and vectors.content_sha256 = decode(embeddings.content_sha256, 'hex')
      where ($2::text is null or scope_user = $2) and ($3::text is null or scope_agent = $3)
      order by similarity desc limit 10`,
      [realArray([vector]), scope.user ?? null, scope.agent ?? null],
    ),
  );
  return rows.map(({ similarity }) => similarity);
}

test.each([
  ['no filter', {}],
  ['a filter with an index that 1 in 100 passes', { user: 'user-7' }],
  ['a filter without an index that 1 in 100 passes', { agent: 'agent-7' }],
])(
  'the ten nearest of the exact scan are found: %s',
  async (name, scope) => {
    const texts = new GeneratedTexts(2);
    const queries = Array.from({ length: QUESTIONS }, () => texts.text(6));
    const times: number[] = [];
    const answers: (readonly number[])[] = [];
    for (const query of queries) {
      const { similarities, notes, ms } = await ask(query, { scope });
      times.push(ms);
      answers.push(similarities);
      expect(notes).toEqual([]);
    }
    let [found, wanted] = [0, 0];
    // Afterwards: an exact scan reads everything, and the question behind it would find cold caches.
    for (const [question, query] of queries.entries()) {
      if (question % 5 !== 0) continue;
      const similarities = answers[question] ?? [];
      // Any of several equally near ones is correct.
      const exact = await exactly(query, scope);
      const least = (exact.at(-1) ?? 1) - 1e-6;
      wanted += exact.length;
      found += similarities.filter((similarity) => similarity >= least).length;
    }
    report(`${name}: ${found} of ${wanted}, ${JSON.stringify(latencyOf(times))}`);
    expect(wanted).toBe((QUESTIONS / 5) * 10);
    expect(found / wanted).toBeGreaterThanOrEqual(0.95);
  },
  3_600_000,
);

function report(line: string): void {
  process.stderr.write(`recall of ${MEMORIES} vectors: ${line}\n`);
}
