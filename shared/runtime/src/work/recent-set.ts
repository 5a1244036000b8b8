/** A set that forgets the oldest of its names when it is full. */
export class RecentSet {
  readonly #most: number;
  readonly #names = new Set<string>();

  constructor(most: number) {
    this.#most = most;
  }

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.delete(name);
    this.#names.add(name);
    if (this.#names.size <= this.#most) return;
    const [oldest = ''] = this.#names;
    this.#names.delete(oldest);
  }

  delete(name: string): void {
    this.#names.delete(name);
  }
}
