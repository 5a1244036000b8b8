import type { Queryable } from '@memfleet/runtime';
import { compareAll, compareNewest } from './exact-search.ts';
import { indexedVectors, searchIndex } from './index-search.ts';
import type { Compared, Nearest, NearestQuery } from './nearest-query.ts';

export interface NearestMemories {
  /** Nearest first. */
  readonly nearest: readonly Nearest[];
  /** There may be nearer vectors in the scope than were looked at. */
  readonly isBounded: boolean;
}

/**
 * Memories of the scope by their nearest vector. A scope of few memories is compared as a whole, which is
 * exact and quick whatever it leaves out. A large one is searched by the index of the space, where there is
 * one, and else among its newest vectors.
 */
export async function nearestMemories(
  db: Queryable,
  query: NearestQuery,
): Promise<NearestMemories> {
  const { scope, space, enough, bounds } = query;
  const indexed = await indexedVectors(db, space);
  // An index gives the nearest of all: among `indexed` vectors, those of n memories are found by taking
  // enough * indexed / n. Where that is more than n, comparing the n is cheaper.
  const most =
    indexed === undefined
      ? bounds.comparedVectors
      : Math.min(bounds.comparedVectors, Math.ceil(Math.sqrt(enough * indexed)));
  if ((await rowsWithin(db, query, most)) <= most) return best(await compareAll(db, query), query);
  if (indexed !== undefined) return best(await searchIndex(db, query), query);
  const compare = scope.indexed === undefined ? compareNewest : compareAll;
  return best(await compare(db, query), query);
}

/** Memories that an index leads to, among which those of the scope are; counted no further than needed. */
async function rowsWithin(
  db: Queryable,
  { scope, tenantRows }: NearestQuery,
  most: number,
): Promise<number> {
  if (tenantRows <= most || scope.indexed === undefined) return tenantRows;
  const { condition, values } = scope.indexed;
  const { rows } = await db.query<{ rows: number }>({
    name: `recall-rows-${scope.shape}`,
    text: `select count(*)::int as rows from (
      select from memory.memories where ${condition} limit $${values.length + 1}::int + 1) as found`,
    values: [...values, most],
  });
  return rows[0]?.rows ?? 0;
}

function best({ vectors, isBounded }: Compared, { above, limit }: NearestQuery): NearestMemories {
  const nearest = new Map<string, Nearest>();
  for (const item of vectors) {
    const known = nearest.get(item.memory);
    if (item.similarity > above && item.similarity > (known?.similarity ?? -1)) {
      nearest.set(item.memory, item);
    }
  }
  return { nearest: [...nearest.values()].toSorted(byNearness).slice(0, limit), isBounded };
}

function byNearness(a: Nearest, b: Nearest): number {
  return b.similarity - a.similarity || (a.memory < b.memory ? -1 : 1);
}
