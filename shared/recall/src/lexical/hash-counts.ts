/** A power of 2, and twice what most texts need. */
const FIRST_SLOTS = 1_024;

/**
 * Counts hashes, and returns them in the order in which they first came, so that sums over them are the
 * same to the last bit. One instance serves text after text: with a new `Map` for each, a text took 63 µs
 * to embed instead of 30, and produced most of an embedding worker's garbage.
 */
export class HashCounts {
  #hashes = new Int32Array(FIRST_SLOTS / 2);
  #counts = new Int32Array(FIRST_SLOTS / 2);
  /** Open addressing: 1 + the position of the hash, or 0. */
  #slots = new Int32Array(FIRST_SLOTS);
  #size = 0;

  clear(): void {
    this.#size = 0;
    if (this.#slots.length === FIRST_SLOTS) {
      this.#slots.fill(0);
      return;
    }
    // The next text should not have to clear the space that one very long text needed.
    this.#hashes = new Int32Array(FIRST_SLOTS / 2);
    this.#counts = new Int32Array(FIRST_SLOTS / 2);
    this.#slots = new Int32Array(FIRST_SLOTS);
  }

  /** The hash must be spread over all of its bits, the low ones too. */
  add(hash: number, count: number): void {
    const slot = this.#slotOf(hash);
    const place = this.#slots[slot] ?? 0;
    if (place === 0) {
      this.#append(slot, hash, count);
      return;
    }
    this.#counts[place - 1] = (this.#counts[place - 1] ?? 0) + count;
  }

  forEach(visit: (hash: number, count: number) => void): void {
    for (let at = 0; at < this.#size; at += 1) visit(this.#hashes[at] ?? 0, this.#counts[at] ?? 0);
  }

  /** The slot that has the hash, or the free one where it belongs. */
  #slotOf(hash: number): number {
    const mask = this.#slots.length - 1;
    let slot = hash & mask;
    for (;;) {
      const place = this.#slots[slot] ?? 0;
      if (place === 0 || this.#hashes[place - 1] === hash) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #append(slot: number, hash: number, count: number): void {
    if (this.#size === this.#hashes.length) {
      this.#grow();
      this.#append(this.#slotOf(hash), hash, count);
      return;
    }
    this.#hashes[this.#size] = hash;
    this.#counts[this.#size] = count;
    this.#size += 1;
    this.#slots[slot] = this.#size;
  }

  #grow(): void {
    this.#hashes = doubled(this.#hashes);
    this.#counts = doubled(this.#counts);
    this.#slots = new Int32Array(2 * this.#slots.length);
    for (let place = 1; place <= this.#size; place += 1) {
      this.#slots[this.#slotOf(this.#hashes[place - 1] ?? 0)] = place;
    }
  }
}

function doubled(values: Int32Array<ArrayBuffer>): Int32Array<ArrayBuffer> {
  const larger = new Int32Array(2 * values.length);
  larger.set(values);
  return larger;
}
