/** Most floats kept in memory: 16 MB. */
const MAX_FLOATS = 4_000_000;

/**
 * The most recently used vectors, by the digest of their texts. Until its event is committed, a new vector
 * is in no table: the next event with the same text finds it here. That event stores the vector too, since
 * the first event may still fail.
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
    // Vectors of one call may share a buffer: one that outlives the others must not keep all of it.
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
