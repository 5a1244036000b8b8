import { recall } from '@memfleet/recall';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { latencyOf } from '../../workers/cli/src/bench/latency.ts';
import type { TestDatabase } from '../support/database.ts';
import { Random } from '../support/random.ts';
import { GeneratedTexts } from './generated-texts.ts';
import { largeTenants, type LargeMemory } from './large-tenants.ts';

const MEMORIES = Number(process.env['MEMFLEET_SCALE_MEMORIES'] ?? 1_000_000);
const TENANTS = 1_000;
const QUESTIONS = 60;

/** The largest has an eighth of all: tenant n has a share in proportion to 1 / n. */
const SHARES = Array.from({ length: TENANTS }, (_, index) => 1 / (index + 1));
const TOTAL = SHARES.reduce((sum, share) => sum + share);
const sizeOf = (tenant: number): number =>
  Math.max(1, Math.floor((MEMORIES * (SHARES[tenant - 1] ?? 0)) / TOTAL));

/** A word that one memory of the tenant has. */
const needleOf = (tenant: number): string => `needle${tenant}`;

/** Tenants in turn, as a log has them, until each has its memories. */
function* memories(): Generator<LargeMemory> {
  const texts = new GeneratedTexts(1);
  const random = new Random(2);
  const left = SHARES.map((_, index) => ({ tenant: index + 1, count: sizeOf(index + 1) }));
  while (left.length > 0) {
    const at = Math.floor(random.next() ** 3 * left.length);
    const [next] = left.slice(at, at + 1);
    if (next === undefined) continue;
    const content = texts.text(16);
    yield {
      tenant: `tenant-${next.tenant}`,
      content: next.count === 1 ? `${needleOf(next.tenant)} ${content}` : content,
      user: `user-${random.below(50)}`,
    };
    next.count -= 1;
    if (next.count === 0) left.splice(at, 1);
  }
}

let database: TestDatabase;
beforeAll(async () => {
  database = await largeTenants(memories(), { vectors: false });
}, 7_200_000);
afterAll(async () => {
  await database[Symbol.asyncDispose]();
});

test.each([1, 2, 10, 100, 1_000])(
  'tenant %i of a thousand finds its memories by words',
  async (tenant) => {
    const texts = new GeneratedTexts(100 + tenant);
    const times: Record<'all' | 'user', number[]> = { all: [], user: [] };
    const ask = async (query: string, user?: string) => {
      const start = performance.now();
      const { hits } = await recall(database.pool, {
        tenant: `tenant-${tenant}`,
        query,
        ...(user === undefined ? {} : { scope: { user } }),
      });
      times[user === undefined ? 'all' : 'user'].push(performance.now() - start);
      return hits;
    };
    const [needle] = await ask(`what about ${needleOf(tenant)}`);
    expect(needle?.content).toContain(needleOf(tenant));
    for (let question = 0; question < QUESTIONS; question += 1) {
      const query = texts.text(6);
      await ask(query);
      const hits = await ask(query, 'user-7');
      expect(hits.every(({ user }) => user === 'user-7')).toBe(true);
    }
    const shown = Object.entries(times).map(
      ([scope, each]) => `${scope} ${JSON.stringify(latencyOf(each))}`,
    );
    process.stderr.write(
      `recall of ${MEMORIES} memories: tenant ${tenant} (${sizeOf(tenant)}): ${shown.join(', ')}\n`,
    );
  },
);
