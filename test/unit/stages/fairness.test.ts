import { shareOut } from '@memfleet/stages';
import { expect, test } from 'vitest';

const of = (counts: Readonly<Record<string, number>>): Map<string, number> =>
  new Map(Object.entries(counts));

test('one tenant alone gets every slot', () => {
  expect(shareOut(8, of({}), of({ a: 5_000 }))).toEqual(of({ a: 8 }));
});

test('a free slot goes to the tenant that has the fewest', () => {
  expect(shareOut(1, of({ a: 7 }), of({ a: 5_000, b: 20 }))).toEqual(of({ b: 1 }));
  expect(shareOut(4, of({ a: 4 }), of({ a: 5_000, b: 20 }))).toEqual(of({ b: 4 }));
  expect(shareOut(8, of({}), of({ a: 5_000, b: 20, c: 20, d: 20 }))).toEqual(
    of({ a: 2, b: 2, c: 2, d: 2 }),
  );
});

test('slots that a tenant does not need go to others', () => {
  expect(shareOut(8, of({}), of({ a: 5_000, b: 1 }))).toEqual(of({ a: 7, b: 1 }));
  expect(shareOut(8, of({}), of({ a: 1, b: 1 }))).toEqual(of({ a: 1, b: 1 }));
});

test('among equals the first in the list wins, so that the one that waits longest can be put there', () => {
  expect(shareOut(2, of({}), of({ c: 9, a: 9, b: 9 }))).toEqual(of({ c: 1, a: 1 }));
  expect(shareOut(0, of({}), of({ a: 1 }))).toEqual(of({}));
});
