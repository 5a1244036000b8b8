import { expect, test } from 'vitest';
import { RecentVectors } from '../../../workers/embedding/src/recent-vectors.ts';

const DIMENSIONS = 1_000_000;

test('the vector that was used longest ago goes first', () => {
  const recent = new RecentVectors(DIMENSIONS);
  for (const digest of ['a', 'b', 'c', 'd']) recent.add(digest, new Float32Array(1));
  expect(recent.get('a')).toBeDefined();
  recent.add('e', new Float32Array(1));
  expect(recent.get('b')).toBeUndefined();
  expect(['a', 'c', 'd', 'e'].filter((digest) => recent.get(digest) === undefined)).toEqual([]);
});

test('a vector that is reused does not keep the buffer of its neighbours', () => {
  const recent = new RecentVectors(DIMENSIONS);
  const memory = Float32Array.of(1, 2, 3, 4);
  recent.add('a', memory.subarray(0, 2));
  recent.add('b', memory.subarray(2));
  const used = recent.get('b');
  expect([...(used ?? [])]).toEqual([3, 4]);
  expect(used?.buffer).not.toBe(memory.buffer);
  // Once is enough.
  expect(recent.get('b')).toBe(used);
});
