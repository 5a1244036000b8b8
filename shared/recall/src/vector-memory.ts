import type { Queryable } from '@memfleet/runtime';

/** 32,000 vectors of 512 dimensions. */
const MOST_BYTES = 64 * 1024 * 1024;
/** The space a vector takes besides its values. */
const OVERHEAD_BYTES = 300;

/** An array in PostgreSQL's binary form begins with five words; its length precedes each element. */
const HEADER_BYTES = 20;
const ELEMENT_BYTES = 8;

/**
 * Vectors that this process has read, keeping those last used. Their keys are the digests of their texts,
 * so a vector is the same for ever and in every database.
 */
export class VectorMemory {
  /** In the order of their last use. */
  readonly #vectors = new Map<string, Float32Array>();
  readonly #mostBytes: number;
  #bytes = 0;

  constructor(mostBytes: number = MOST_BYTES) {
    this.#mostBytes = mostBytes;
  }

  /** The vectors of a space by their digests; vectors that are not stored are missing. */
  async read(
    db: Queryable,
    space: string,
    digests: ReadonlySet<string>,
  ): Promise<Map<string, Float32Array>> {
    const found = new Map<string, Float32Array>();
    const missing: string[] = [];
    for (const digest of digests) {
      const known = this.#use(`${space} ${digest}`);
      if (known === undefined) missing.push(digest);
      else found.set(digest, known);
    }
    if (missing.length > 0) {
      for (const [digest, vector] of await readVectors(db, space, missing)) {
        found.set(digest, vector);
        this.#keep(`${space} ${digest}`, vector);
      }
    }
    return found;
  }

  #use(key: string): Float32Array | undefined {
    const vector = this.#vectors.get(key);
    if (vector === undefined) return undefined;
    this.#vectors.delete(key);
    this.#vectors.set(key, vector);
    return vector;
  }

  #keep(key: string, vector: Float32Array): void {
    if (this.#vectors.has(key)) return;
    this.#vectors.set(key, vector);
    this.#bytes += bytesOf(vector);
    for (const [oldest, { length }] of this.#vectors) {
      if (this.#bytes <= this.#mostBytes) return;
      this.#vectors.delete(oldest);
      this.#bytes -= bytesOf({ length });
    }
  }
}

function bytesOf({ length }: { readonly length: number }): number {
  return length * Float32Array.BYTES_PER_ELEMENT + OVERHEAD_BYTES;
}

/** Read in binary form: as text, a vector of 512 numbers takes 0.4 ms to parse. */
async function readVectors(
  db: Queryable,
  space: string,
  digests: readonly string[],
): Promise<[string, Float32Array][]> {
  const { rows } = await db.query<{ digest: string; embedding: string }>({
    name: 'recall-vectors',
    text: `select encode(content_sha256, 'hex') as digest,
        encode(array_send(embedding), 'base64') as embedding
      from memfleet.vectors
      where space = $1
        and content_sha256 = any (array(select decode(asked, 'hex') from unnest($2::text[]) as asked))`,
    values: [space, digests],
  });
  return rows.map(({ digest, embedding }) => [digest, valuesOf(Buffer.from(embedding, 'base64'))]);
}

function valuesOf(array: Buffer): Float32Array {
  const vector = new Float32Array((array.length - HEADER_BYTES) / ELEMENT_BYTES);
  for (let at = 0; at < vector.length; at += 1) {
    vector[at] = array.readFloatBE(HEADER_BYTES + at * ELEMENT_BYTES + 4);
  }
  return vector;
}
