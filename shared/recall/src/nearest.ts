import type { Queryable } from '@memfleet/runtime';
import { compareAll, compareNewest } from './exact-search.ts';
import { indexedVectors, searchIndex } from './index-search.ts';
import type { Compared, Nearest, NearestQuery } from './nearest-query.ts';
import { rowsOfScope } from './scope-size.ts';

/** Nearest first. */
export interface NearestMemories extends Pick<Compared, 'bound'> {
  readonly nearest: readonly Nearest[];
}

/**
 * Ranks the memories of the scope by their nearest vector. A scope of few memories is compared as a whole,
 * which is exact, and quick with any filter. A large scope is searched by the index of the space, where
 * there is one, and otherwise among its newest memories.
 */
export async function nearestMemories(
  db: Queryable,
  query: NearestQuery,
): Promise<NearestMemories> {
  const { scope, tenantRows, space, enough, bounds } = query;
  const indexed = await indexedVectors(db, space);
  // An index gives the nearest of all: among `indexed` vectors, those of n memories are found by taking
  // enough * indexed / n. Where that is more than n, comparing the n is cheaper.
  const most =
    indexed === undefined
      ? bounds.comparedVectors
      : Math.min(bounds.comparedVectors, Math.ceil(Math.sqrt(enough * indexed)));
  const rows = await rowsOfScope(db, scope, { tenantRows, most });
  if (rows <= most) return best(await compareAll(db, query), query);
  if (indexed !== undefined) return best(await searchIndex(db, query, indexed), query);
  return best(await compareNewest(db, query), query);
}

function best({ vectors, ...bound }: Compared, { above, limit }: NearestQuery): NearestMemories {
  const nearest = new Map<string, Nearest>();
  for (const item of vectors) {
    const known = nearest.get(item.memory);
    if (item.similarity > above && item.similarity > (known?.similarity ?? -1)) {
      nearest.set(item.memory, item);
    }
  }
  return { nearest: [...nearest.values()].toSorted(byNearness).slice(0, limit), ...bound };
}

function byNearness(a: Nearest, b: Nearest): number {
  return b.similarity - a.similarity || (a.memory < b.memory ? -1 : 1);
}
