/**
 * Returns one result per item, in order. A promise lets one item wait without holding up the others or
 * the next flush. When the flush throws, all its items fail.
 */
type Flush<Item, Result> = (
  items: readonly Item[],
) => Promise<readonly (Result | Promise<Result>)[]>;

/**
 * Gathers single items into batches: what arrives within the linger, or until the batch is full,
 * goes through `flush` together. Up to `parallel` flushes run at a time; while all are busy, the
 * next batch grows, so that a slow database gets fewer and larger statements by itself.
 */
export class Batcher<Item, Result> {
  readonly #flush: Flush<Item, Result>;
  readonly #size: number;
  readonly #lingerMs: number;
  readonly #parallel: number;
  #waiting: Gathered<Item, Result>[] = [];
  #running = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: {
    readonly flush: Flush<Item, Result>;
    readonly size: number;
    readonly lingerMs: number;
    readonly parallel: number;
  }) {
    this.#flush = options.flush;
    this.#size = options.size;
    this.#lingerMs = options.lingerMs;
    this.#parallel = options.parallel;
  }

  add(item: Item): Promise<Result> {
    const { promise, resolve, reject } = Promise.withResolvers<Result>();
    this.#waiting.push({ item, resolve, reject });
    if (this.#waiting.length >= this.#size) this.#start();
    else this.#timer ??= setTimeout(() => this.#start(), this.#lingerMs);
    return promise;
  }

  #start(): void {
    if (this.#running >= this.#parallel || this.#waiting.length === 0) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const batch = this.#waiting.slice(0, this.#size);
    this.#waiting = this.#waiting.slice(this.#size);
    this.#running += 1;
    void this.#run(batch).finally(() => {
      this.#running -= 1;
      this.#start();
    });
    if (this.#waiting.length > 0) this.#start();
  }

  async #run(batch: readonly Gathered<Item, Result>[]): Promise<void> {
    try {
      const results = await this.#flush(batch.map(({ item }) => item));
      if (results.length !== batch.length) {
        throw new Error(`a flush of ${batch.length} items gave ${results.length} results`);
      }
      for (const [index, { resolve }] of batch.entries()) {
        resolve(results[index] as Result | Promise<Result>);
      }
    } catch (error) {
      for (const { reject } of batch) reject(error);
    }
  }
}

interface Gathered<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result | Promise<Result>) => void;
  readonly reject: (error: unknown) => void;
}
