import { expect, test } from 'vitest';
import {
  fitFusion,
  fusedScore,
  type Halved,
} from '../../../../workers/cli/src/bench/recall/fit-fusion.ts';

const others = (name: string): string[] => Array.from({ length: 12 }, (_, i) => `${name}${i}`);

/** Questions whose answer one half has at the given place and the other not at all. */
function only(half: 'text' | 'vectors', place: number): Halved {
  const halves = { text: others('t'), vectors: others('v') };
  halves[half].splice(place - 1, 0, 'answer');
  return { expected: ['answer'], ...halves };
}

test.each(['text', 'vectors'] as const)('when only %s finds the answers, it decides', (half) => {
  const { fusion, score } = fitFusion([only(half, 1), only(half, 5), only(half, 9)]);
  const { textWeight, vectorWeight } = fusion;
  const ratio = half === 'text' ? textWeight / vectorWeight : vectorWeight / textWeight;
  expect(ratio).toBeGreaterThanOrEqual(2);
  expect(score).toMatchObject({ questions: 3, recall10: 1 });
});

test('when the halves find different answers, neither is left out', () => {
  const { fusion, score } = fitFusion([only('text', 2), only('vectors', 2)]);
  const ratio = fusion.textWeight / fusion.vectorWeight;
  expect(ratio).toBeGreaterThan(1 / 3);
  expect(ratio).toBeLessThan(3);
  expect(score.recall5).toBe(1);
});

test('the best weights are at least as good as any given ones', () => {
  const questions = [only('text', 2), only('vectors', 3), only('text', 7)];
  const { score } = fitFusion(questions);
  for (const [textWeight, vectorWeight] of [
    [3, 1],
    [1, 1],
    [1, 3],
  ] as const) {
    const given = fusedScore(questions, { textWeight, vectorWeight, k: 10 });
    const sum = given.recall5 + given.recall10 + given.recall25 + given.mrr;
    expect(score.recall5 + score.recall10 + score.recall25 + score.mrr).toBeGreaterThanOrEqual(sum);
  }
});
