import type { Fusion } from './embedder.ts';

export interface Fused {
  readonly memory: string;
  readonly score: number;
}

/**
 * Merges rankings whose scores cannot be compared: each item gets the sum of weight / (k + rank) over
 * the rankings that contain it, best first. Reciprocal rank fusion (Cormack, Clarke and Büttcher, SIGIR
 * 2009) with weights; a smaller k makes the first ranks count for more.
 */
export function fuse(
  text: readonly { readonly memory: string }[],
  vectors: readonly { readonly memory: string }[],
  { textWeight, vectorWeight, k }: Fusion,
): Fused[] {
  const scores = new Map<string, number>();
  for (const [ranking, weight] of [
    [text, textWeight],
    [vectors, vectorWeight],
  ] as const) {
    for (const [index, { memory }] of ranking.entries()) {
      scores.set(memory, (scores.get(memory) ?? 0) + weight / (k + index + 1));
    }
  }
  return [...scores]
    .map(([memory, score]) => ({ memory, score }))
    .toSorted((a, b) => b.score - a.score || (a.memory < b.memory ? -1 : 1));
}
