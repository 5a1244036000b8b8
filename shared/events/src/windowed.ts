/**
 * Starts the work for each item as the items come, up to `window` at a time, and yields the results
 * in the order of the items. A result is handed out when it is there, not when the next item is: a
 * source that pauses holds back nothing. `start` must not reject; a window below 1 is 1.
 */
export async function* windowed<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  window: number,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const source =
    Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const inFlight: Promise<Result>[] = [];
  let next: Promise<IteratorResult<Item>> | undefined;
  let isOver = false;
  try {
    while (!isOver || inFlight.length > 0) {
      if (!isOver && inFlight.length < Math.max(1, window)) next ??= Promise.resolve(source.next());
      const item = await firstOf(next, inFlight[0]);
      if (item === undefined) {
        const oldest = inFlight.shift();
        if (oldest !== undefined) yield await oldest;
        continue;
      }
      next = undefined;
      if (item.done === true) isOver = true;
      else inFlight.push(start(item.value));
    }
  } finally {
    if (!isOver) await source.return?.();
  }
}

/** The next item, or `undefined` when the oldest result came before it: a ready source goes first. */
async function firstOf<Item>(
  next: Promise<IteratorResult<Item>> | undefined,
  oldest: Promise<unknown> | undefined,
): Promise<IteratorResult<Item> | undefined> {
  if (next === undefined || oldest === undefined) return await next;
  return await Promise.race([next, oldest.then(() => undefined)]);
}
