/**
 * Starts the work for each item as the items come, up to `window` at a time, and yields the results
 * in the order of the items. Each result is yielded once it is ready, without waiting for the next item: a
 * source that pauses holds back nothing. `start` must not reject; a window below 1 counts as 1.
 * @throws the source's error, after the results of all work that was started
 */
export async function* windowed<Item, Result>(
  items: AsyncIterable<Item> | Iterable<Item>,
  window: number,
  start: (item: Item) => Promise<Result>,
): AsyncGenerator<Result> {
  const source =
    Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const inFlight: Promise<Result>[] = [];
  let next: Promise<Next<Item>> | undefined;
  let isOver = false;
  let failure: { readonly error: unknown } | undefined;
  try {
    while (!isOver || inFlight.length > 0) {
      if (!isOver && inFlight.length < Math.max(1, window)) next ??= nextOf(source);
      const item = await firstOf(next, inFlight[0]);
      if (item === undefined) {
        const oldest = inFlight.shift();
        if (oldest !== undefined) yield await oldest;
        continue;
      }
      next = undefined;
      if ('error' in item) failure = item;
      if ('error' in item || item.done === true) isOver = true;
      else inFlight.push(start(item.value));
    }
    if (failure !== undefined) throw failure.error;
  } finally {
    if (!isOver) await source.return?.();
  }
}

type Next<Item> = IteratorResult<Item> | { readonly error: unknown };

/** Never rejects: work started before the source failed still has results to yield. */
async function nextOf<Item>(
  source: Pick<AsyncIterator<Item> | Iterator<Item>, 'next'>,
): Promise<Next<Item>> {
  try {
    return await source.next();
  } catch (error) {
    return { error };
  }
}

/** The next item, or `undefined` when the oldest result came before it: a ready source goes first. */
async function firstOf<Item>(
  next: Promise<Next<Item>> | undefined,
  oldest: Promise<unknown> | undefined,
): Promise<Next<Item> | undefined> {
  if (next === undefined || oldest === undefined) return await next;
  return await Promise.race([next, oldest.then(() => undefined)]);
}
