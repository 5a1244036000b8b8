/** Runs so many pieces of work at once at most. After the first failure nothing more is begun. */
export class Window {
  readonly #size: number;
  readonly #running = new Set<Promise<void>>();
  #failure: { readonly error: unknown } | undefined;

  constructor(size: number) {
    this.#size = size;
  }

  /** Waits for room and begins. @returns false when it did not, since something had failed */
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

  /** Waits for everything that was begun. @throws the first failure */
  async end(): Promise<void> {
    await Promise.all(this.#running);
    if (this.#failure !== undefined) throw this.#failure.error;
  }
}
