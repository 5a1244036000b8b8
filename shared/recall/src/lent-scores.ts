import { fold, textOf, words } from '@memfleet/projections';
import type { Surroundings } from './surroundings.ts';
import type { Tuning } from './tuning.ts';

export interface Lent {
  readonly memory: string;
  readonly score: number;
  /** Before its neighbours lent to it; 0 for a memory that only its neighbours brought. */
  readonly ownScore: number;
}

/**
 * A ranking in which memories of one session have lent each other a part of their scores, and those of
 * the speaker that the query names count for more; best first. An answer is often a turn beside the one
 * that has the words.
 */
export function lentScores(
  ranking: readonly { readonly memory: string; readonly score: number }[],
  around: Surroundings & { readonly spoken: ReadonlySet<string> },
  { lend, speaker }: Pick<Tuning, 'lend' | 'speaker'>,
): Lent[] {
  const own = new Map(ranking.map(({ memory, score }) => [memory, score]));
  const sums = new Map(own);
  for (const { memory, score } of ranking) {
    for (const { memory: beside, distance } of around.neighbours.get(memory) ?? []) {
      sums.set(beside, (sums.get(beside) ?? 0) + score * (lend[distance - 1] ?? 0));
    }
  }
  const factors = new Map<string | null | undefined, number>();
  const factorOf = (name: string | null | undefined): number => {
    let factor = factors.get(name);
    if (factor === undefined) {
      factor = isNamed(name, around.spoken) ? speaker : 1;
      factors.set(name, factor);
    }
    return factor;
  };
  return [...sums]
    .map(([memory, sum]) => ({
      memory,
      score: sum * factorOf(around.speaker.get(memory)),
      ownScore: own.get(memory) ?? 0,
    }))
    .toSorted((a, b) => b.score - a.score || (a.memory < b.memory ? -1 : 1));
}

/** One of several names is enough: "what did Ada say?" means Ada Lovelace. */
function isNamed(name: string | null | undefined, spoken: ReadonlySet<string>): boolean {
  if (name === null || name === undefined) return false;
  return words(fold(name))
    .map(textOf)
    .some((word) => ['', "'s", '’s'].some((ending) => spoken.has(word + ending)));
}
