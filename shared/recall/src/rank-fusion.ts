/** The constant of the paper; larger values make the first ranks count for less. */
const K = 60;

/**
 * Merges rankings whose scores cannot be compared: each item gets the sum of 1 / (60 + rank) over
 * the rankings that have it, best first. Reciprocal rank fusion: Cormack, Clarke and Büttcher, SIGIR
 * 2009.
 */
export function reciprocalRankFusion(
  rankings: readonly (readonly string[])[],
): { readonly item: string; readonly score: number }[] {
  const scores = new Map<string, number>();
  for (const ranking of rankings) {
    for (const [index, item] of ranking.entries()) {
      scores.set(item, (scores.get(item) ?? 0) + 1 / (K + index + 1));
    }
  }
  return [...scores]
    .map(([item, score]) => ({ item, score }))
    .toSorted((a, b) => b.score - a.score || (a.item < b.item ? -1 : 1));
}
