import { describe, expect, test } from 'vitest';
import { windowed } from '../../../shared/events/src/windowed.ts';

async function collect<Result>(results: AsyncIterable<Result>): Promise<Result[]> {
  const all: Result[] = [];
  for await (const result of results) all.push(result);
  return all;
}

const double = (item: number): Promise<number> => Promise.resolve(item * 2);

/** A source that hands out items when it is told to, and says when it was closed. */
function source<Item>() {
  const waiting: PromiseWithResolvers<IteratorResult<Item>>[] = [];
  const given: IteratorResult<Item>[] = [];
  let isClosed = false;
  const give = (result: IteratorResult<Item>): void => {
    const taker = waiting.shift();
    if (taker === undefined) given.push(result);
    else taker.resolve(result);
  };
  const items: AsyncIterableIterator<Item> = {
    [Symbol.asyncIterator]: () => items,
    next: () => {
      const ready = given.shift();
      if (ready !== undefined) return Promise.resolve(ready);
      const taker = Promise.withResolvers<IteratorResult<Item>>();
      waiting.push(taker);
      return taker.promise;
    },
    return: () => {
      isClosed = true;
      return Promise.resolve({ done: true, value: undefined });
    },
  };
  return {
    items,
    give: (value: Item) => give({ done: false, value }),
    end: () => give({ done: true, value: undefined }),
    isClosed: () => isClosed,
  };
}

describe('results come in the order of the items', () => {
  test.for([0, 1, 2, 3, 100])('window %i', async (window) => {
    const items = Array.from({ length: 50 }, (_, index) => index);
    const work = async (item: number): Promise<number> => {
      for (let turn = 0; turn < (item * 7) % 5; turn += 1) await Promise.resolve();
      return item;
    };
    expect(await collect(windowed(items, window, work))).toEqual(items);
  });

  test('of no items there are none', async () => {
    expect(await collect(windowed([], 4, double))).toEqual([]);
  });

  test('of an async source', async () => {
    const items = async function* (): AsyncGenerator<number> {
      for (const item of [1, 2, 3]) yield await Promise.resolve(item);
    };
    expect(await collect(windowed(items(), 2, double))).toEqual([2, 4, 6]);
  });
});

test('no more than the window is in flight, and the window is filled', async () => {
  let inFlight = 0;
  let most = 0;
  // Nothing ends before the window is full: were it never filled, this would hang.
  const full = Promise.withResolvers<void>();
  const work = async (): Promise<void> => {
    inFlight += 1;
    most = Math.max(most, inFlight);
    if (inFlight === 8) full.resolve();
    await full.promise;
    inFlight -= 1;
  };
  await collect(windowed(Array.from({ length: 100 }), 8, work));
  expect(most).toBe(8);
});

test('a source that pauses holds back no result', async () => {
  const { items, give, end } = source<number>();
  const results = windowed(items, 256, double);
  give(1);
  expect(await results.next()).toEqual({ done: false, value: 2 });
  give(2);
  give(3);
  expect(await results.next()).toEqual({ done: false, value: 4 });
  expect(await results.next()).toEqual({ done: false, value: 6 });
  end();
  expect(await results.next()).toEqual({ done: true, value: undefined });
});

test('whoever stops reading closes the source', async () => {
  const { items, give, isClosed } = source<number>();
  give(1);
  for await (const result of windowed(items, 4, double)) {
    expect(result).toBe(2);
    break;
  }
  expect(isClosed()).toBe(true);
});

test('a source that fails ends it with its error, after the results of what was started', async () => {
  const items = async function* (): AsyncGenerator<number> {
    yield 1;
    yield await Promise.resolve(2);
    throw new Error('the file is gone');
  };
  const slow = async (item: number): Promise<number> => {
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
    return item;
  };
  const seen: number[] = [];
  const reading = async (): Promise<void> => {
    for await (const result of windowed(items(), 4, slow)) seen.push(result);
  };
  await expect(reading()).rejects.toThrow('the file is gone');
  expect(seen).toEqual([1, 2]);
});
