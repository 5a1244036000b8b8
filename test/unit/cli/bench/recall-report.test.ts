import { expect, test } from 'vitest';
import {
  type RecallMeasure,
  report,
} from '../../../../workers/cli/src/bench/recall/bench-recall.ts';

const MEASURE: RecallMeasure = {
  measure: 'recall',
  ranking: 'product',
  category: 'overall',
  questions: 1_982,
  recall5: 0.6349,
  recall10: 1,
  recall25: 0,
  hit10: 0.7501,
  mrr: 0.5,
  p50ms: 14.04,
  p95ms: 1_029.96,
};

test('a table fits a terminal, with any names of categories', () => {
  const long = { ...MEASURE, ranking: 'vectors', category: 'questions about somebody else' };
  const lines = report([MEASURE, long], 1_982).split('\n');
  expect(lines[0]).toMatch(/^ranking +category +asked +@5 +@10 +@25 +hit +MRR +p50 +p95$/);
  expect(lines[1]).toMatch(
    /^product +overall +1982 +63\.5 +100\.0 +0\.0 +75\.0 +0\.500 +14\.0 +1030$/,
  );
  expect(lines[2]).toMatch(/^vectors +questions abou +1982/);
  expect(Math.max(...lines.map(({ length }) => length))).toBeLessThanOrEqual(80);
  expect(lines.at(-3)).toContain('1,982 questions.');
});
