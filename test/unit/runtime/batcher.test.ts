import { setTimeout as delay } from 'node:timers/promises';
import { Batcher } from '@memfleet/runtime';
import { expect, test } from 'vitest';

test('items that come within the linger go together, and a full batch does not wait for it', async () => {
  const flushed: number[][] = [];
  const batcher = new Batcher<number, number>({
    size: 3,
    lingerMs: 10,
    parallel: 5,
    flush: async (items) => {
      flushed.push([...items]);
      return items.map((item) => item * 2);
    },
  });
  const results = await Promise.all([1, 2, 3, 4].map((item) => batcher.add(item)));
  expect(results).toEqual([2, 4, 6, 8]);
  expect(flushed).toEqual([[1, 2, 3], [4]]);
});

test('while all flushes are busy the next batch grows, up to its size', async () => {
  const flushed: number[] = [];
  const gate = Promise.withResolvers<void>();
  const batcher = new Batcher<number, number>({
    size: 4,
    lingerMs: 0,
    parallel: 1,
    flush: async (items) => {
      flushed.push(items.length);
      await gate.promise;
      return items;
    },
  });
  const first = batcher.add(0);
  await delay(5);
  const others = [1, 2, 3, 4, 5].map((item) => batcher.add(item));
  await delay(5);
  expect(flushed).toEqual([1]);
  gate.resolve();
  await Promise.all([first, ...others]);
  expect(flushed).toEqual([1, 4, 1]);
});

test('a failed flush fails its items and no others', async () => {
  const batcher = new Batcher<string, string>({
    size: 1,
    lingerMs: 0,
    parallel: 2,
    flush: async (items) => {
      if (items.includes('bad')) throw new Error('refused');
      return items.includes('short') ? [] : items;
    },
  });
  const results = await Promise.allSettled(
    ['good', 'bad', 'short'].map((item) => batcher.add(item)),
  );
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'rejected']);
  await expect(batcher.add('good')).resolves.toBe('good');
});
