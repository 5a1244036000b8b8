/** Limits how many tasks run at once. After the first failure it starts no more. */
export class Window {
  readonly #size: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** Waits for room and starts the task. @returns false when an earlier failure prevented that */
  async begin(work: () => Promise<void>): Promise<boolean> {
    while (this.#failure === undefined && this.#running.size >= this.#size) {
      await Promise.race(this.#running);
    }
    if (this.#failure !== undefined) return false;
    const one: Promise<void> = work()
      .catch((error: unknown) => {
        this.#failure ??= { error };
      })
      .finally(() => this.#running.delete(one));
    this.#running.add(one);
    return true;
  }

  /** Waits for all started tasks. @throws the first failure */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
