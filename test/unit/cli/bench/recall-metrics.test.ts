import { expect, test } from 'vitest';
import { type Answered, scoresOf } from '../../../../workers/cli/src/bench/recall/metrics.ts';

const places = (count: number): string[] => Array.from({ length: count }, (_, i) => `x${i + 1}`);

/** A question whose answers are found at the given places, from 1; others are not found. */
function question(expected: Readonly<Record<string, number | undefined>>, rest = {}): Answered {
  const found = places(25);
  for (const [memory, place] of Object.entries(expected)) {
    if (place !== undefined) found[place - 1] = memory;
  }
  return { expected: Object.keys(expected), found, ms: 1, ...rest };
}

test.each([
  ['first', { a: 1 }, [1, 1, 1, 1, 1]],
  ['fifth, the last that counts for @5', { a: 5 }, [1, 1, 1, 1, 0.2]],
  ['sixth', { a: 6 }, [0, 1, 1, 1, 0.1667]],
  ['tenth', { a: 10 }, [0, 1, 1, 1, 0.1]],
  ['eleventh', { a: 11 }, [0, 0, 1, 0, 0.0909]],
  ['25th', { a: 25 }, [0, 0, 1, 0, 0.04]],
  ['nowhere', { a: undefined }, [0, 0, 0, 0, 0]],
  ['one of two', { a: 2, b: undefined }, [0.5, 0.5, 0.5, 1, 0.5]],
  [
    'two of three, one of them late',
    { a: 3, b: 20, c: undefined },
    [0.3333, 0.3333, 0.6667, 1, 0.3333],
  ],
])('an answer found %s', (_, expected, [recall5, recall10, recall25, hit10, mrr]) => {
  const score = scoresOf([question(expected)]).get('overall');
  expect(score).toMatchObject({ questions: 1, recall5, recall10, recall25, hit10, mrr });
});

test('a ranking longer than 25 is cut', () => {
  const found = [...places(25), 'a'];
  const score = scoresOf([{ expected: ['a'], found, ms: 1 }]).get('overall');
  expect(score).toMatchObject({ recall25: 0, mrr: 0 });
});

test('a memory that is expected twice or found twice counts once', () => {
  const score = scoresOf([{ expected: ['a', 'a', 'b'], found: ['a', 'a'], ms: 1 }]).get('overall');
  expect(score).toMatchObject({ recall5: 0.5, mrr: 1 });
});

test('means by question, overall first and then by category; without one, overall alone', () => {
  const scores = scoresOf([
    question({ a: 1 }, { category: 'names', ms: 1 }),
    question({ a: undefined, b: undefined }, { category: 'times', ms: 2 }),
    question({ a: 1, b: undefined }, { category: 'names', ms: 3 }),
    question({ a: 2 }, { ms: 100 }),
  ]);
  expect([...scores.keys()]).toEqual(['overall', 'names', 'times']);
  expect(scores.get('overall')).toMatchObject({
    questions: 4,
    recall5: 0.625,
    hit10: 0.75,
    mrr: 0.625,
    p50ms: 2,
    p95ms: 100,
  });
  expect(scores.get('names')).toMatchObject({ questions: 2, recall5: 0.75, p50ms: 1, p95ms: 3 });
  expect(scores.get('times')).toMatchObject({ questions: 1, recall25: 0, mrr: 0 });
});
