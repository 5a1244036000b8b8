/** Floats that are kept: 16 MB. */
const MAX_FLOATS = 4_000_000;

/**
 * Vectors by the digest of their texts, the latest used. Between its making and the commit of its
 * event a vector is in no table: the next event with that text finds it here. It stores it too, since
 * the first event may yet come to nothing.
 */
export class RecentVectors {
  readonly #vectors = new Map<string, Float32Array>();
  readonly #most: number;

  constructor(dimensions: number) {
    this.#most = Math.floor(MAX_FLOATS / dimensions);
  }

  get(digest: string): Float32Array | undefined {
    const vector = this.#vectors.get(digest);
    if (vector === undefined) return undefined;
    // Vectors of one call may share their memory: one that outlives the others must not keep theirs.
    const own = vector.byteLength < vector.buffer.byteLength ? vector.slice() : vector;
    this.add(digest, own);
    return own;
  }

  add(digest: string, vector: Float32Array): void {
    this.#vectors.delete(digest);
    this.#vectors.set(digest, vector);
    if (this.#vectors.size <= this.#most) return;
    // A map is iterated in the order of insertion.
    for (const oldest of this.#vectors.keys()) {
      this.#vectors.delete(oldest);
      break;
    }
  }
}
