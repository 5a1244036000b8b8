import { latencyOf } from '../latency.ts';

/** How many hits of a ranking are used: recall@25 needs 25. */
export const DEPTH = 25;

/** A question with the answer it got. */
export interface Answered {
  readonly category?: string;
  /** The memories that answer it; at least one. */
  readonly expected: readonly string[];
  /** The memories that were found, best first, at most `DEPTH`. */
  readonly found: readonly string[];
  readonly ms: number;
}

/** Means over questions. Shares are from 0 to 1. */
export interface Score {
  readonly questions: number;
  /** Share of a question's expected memories among its first 5, 10 and 25. */
  readonly recall5: number;
  readonly recall10: number;
  readonly recall25: number;
  /** Share of questions with an expected memory among their first 10. */
  readonly hit10: number;
  /** Reciprocal rank of the first expected memory; 0 if none is among the first 25. */
  readonly mrr: number;
  readonly p50ms: number;
  readonly p95ms: number;
}

export const OVERALL = 'overall';

/** The score of all questions, under `OVERALL`, then of each category, in order of appearance. */
export function scoresOf(answered: readonly Answered[]): Map<string, Score> {
  const scores = new Map([[OVERALL, scoreOf(answered)]]);
  for (const [category, some] of Map.groupBy(answered, (each) => each.category)) {
    if (category !== undefined) scores.set(category, scoreOf(some));
  }
  return scores;
}

function scoreOf(answered: readonly Answered[]): Score {
  const mean = (of: (each: Answered) => number): number =>
    answered.length === 0
      ? 0
      : rounded(answered.reduce((sum, each) => sum + of(each), 0) / answered.length);
  const { p50ms, p95ms } = latencyOf(answered.map(({ ms }) => ms));
  return {
    questions: answered.length,
    recall5: mean((each) => recallAt(5, each)),
    recall10: mean((each) => recallAt(10, each)),
    recall25: mean((each) => recallAt(25, each)),
    hit10: mean((each) => (recallAt(10, each) > 0 ? 1 : 0)),
    mrr: mean(reciprocalRank),
    p50ms,
    p95ms,
  };
}

function recallAt(depth: number, { expected, found }: Answered): number {
  const first = new Set(found.slice(0, depth));
  const wanted = [...new Set(expected)];
  return wanted.filter((memory) => first.has(memory)).length / wanted.length;
}

function reciprocalRank({ expected, found }: Answered): number {
  const place = found.slice(0, DEPTH).findIndex((memory) => expected.includes(memory));
  return place === -1 ? 0 : 1 / (place + 1);
}

function rounded(value: number): number {
  return Number(value.toFixed(4));
}
