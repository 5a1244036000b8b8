import type { Queryable } from '@memfleet/runtime';

/** What the ranking must know about a tenant besides the rows that match. */
export interface TenantStatistics {
  /** Memories, including forgotten and superseded ones: it is the scale of a logarithm. */
  readonly rows: number;
  /** Lexemes of a memory on average. */
  readonly averageLength: number;
}

interface Kept {
  readonly value: Promise<TenantStatistics>;
  readonly goodUntil: number;
}

const SHORTEST_MS = 2_000;
/** Reading the statistics takes at most one part in this many of the time … */
const SPARSE = 200;
/** … but however long it took, as on a cold or busy server, they are read again after this time. */
const LONGEST_MS = 60_000;
const MOST_TENANTS = 10_000;

const kept = new WeakMap<Queryable, Map<string, Kept>>();

/** Read at most every two seconds, and less often where a tenant is so large that reading takes long. */
export async function tenantStatistics(db: Queryable, tenant: string): Promise<TenantStatistics> {
  const tenants = kept.get(db) ?? new Map<string, Kept>();
  kept.set(db, tenants);
  const now = performance.now();
  const known = tenants.get(tenant);
  if (known !== undefined && known.goodUntil > now) return await known.value;
  if (tenants.size >= MOST_TENANTS) tenants.clear();
  const value = readStatistics(db, tenant);
  tenants.set(tenant, { value, goodUntil: now + SHORTEST_MS });
  try {
    const found = await value;
    const took = performance.now() - now;
    tenants.set(tenant, {
      value,
      goodUntil: now + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, took * SPARSE)),
    });
    return found;
  } catch (error) {
    tenants.delete(tenant);
    throw error;
  }
}

/** The average is that of memories at the head of the index, which are in no order of time. */
async function readStatistics(db: Queryable, tenant: string): Promise<TenantStatistics> {
  const { rows } = await db.query<{ rows: string; average: number | null }>({
    name: 'recall-statistics',
    text: `select (select count(*) from memory.memories where tenant = $1) as rows,
        (select avg(length)::float8 from (
          select length from memory.memories where tenant = $1 and length > 0
          order by memory limit 2000) as sample) as average`,
    values: [tenant],
  });
  const [found] = rows;
  return { rows: Number(found?.rows ?? 0), averageLength: found?.average ?? 1 };
}
