import { createHash } from 'node:crypto';

/** Share of slots that may be taken before the table doubles. */
const MAX_LOAD = 0.75;

/**
 * Counts how often each text was seen, in at most 32 bytes per text: a file of a million lines costs
 * about 25 MB. It identifies texts by 64 bits of their SHA-256. The chance that two of ten million share
 * them is 1 in 370,000, and even then no event is lost: an id merely differs from the one it would have
 * in a shorter file.
 */
export class Occurrences {
  /** Per slot: high and low half of the hash, and the count; 0 marks a free slot. */
  #slots = new Uint32Array(3 * 1_024);
  #used = 0;

  /** @returns how often the text has been seen, including now: 1 for the first time */
  count(text: string): number {
    const hash = createHash('sha256').update(text).digest();
    if (this.#used + 1 > (this.#slots.length / 3) * MAX_LOAD) this.#grow();
    const at = this.#find(hash.readUInt32BE(0), hash.readUInt32BE(4));
    const count = (this.#slots[at + 2] ?? 0) + 1;
    if (count === 1) {
      this.#slots[at] = hash.readUInt32BE(0);
      this.#slots[at + 1] = hash.readUInt32BE(4);
      this.#used += 1;
    }
    this.#slots[at + 2] = count;
    return count;
  }

  /** The slot of a hash, or the free one where it belongs (open addressing, linear probing). */
  #find(high: number, low: number): number {
    const slots = this.#slots;
    const size = slots.length / 3;
    for (let slot = high % size; ; slot = (slot + 1) % size) {
      const at = slot * 3;
      if (slots[at + 2] === 0) return at;
      if (slots[at] === high && slots[at + 1] === low) return at;
    }
  }

  #grow(): void {
    const old = this.#slots;
    this.#slots = new Uint32Array(old.length * 2);
    for (let at = 0; at < old.length; at += 3) {
      const [high = 0, low = 0, count = 0] = old.subarray(at, at + 3);
      if (count > 0) this.#slots.set([high, low, count], this.#find(high, low));
    }
  }
}
