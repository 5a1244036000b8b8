import type { ModelUse } from '@memfleet/events';
import type { LocalEmbedder } from '@memfleet/recall';
import { Batcher, type Queryable } from '@memfleet/runtime';
import { RecentVectors } from './recent-vectors.ts';
import { FREE, shares } from './shares.ts';
import { contentDigest, findStored } from './stored-vectors.ts';
import { type TextVector, type TextVectors, TOGETHER_MS } from './text-vectors.ts';

interface Wanted {
  readonly digest: string;
  readonly text: string;
}

interface Computed {
  readonly vector: Float32Array | undefined;
  readonly use: ModelUse;
}

export interface ComputedVectorsOptions {
  readonly embedder: LocalEmbedder;
  readonly db: Queryable;
  /** Texts per look-up in the table. */
  readonly batch: number;
}

const NO_CALL = { calls: 0, input_tokens: 0, output_tokens: 0 } as const;

/** Vectors from an embedder in this process: no service that could fail, no budget, no rate limit. */
export class ComputedVectors implements TextVectors {
  readonly #embedder: LocalEmbedder;
  readonly #db: Queryable;
  readonly #computing: Batcher<Wanted, Computed>;
  readonly #underWay = new Map<string, Promise<Computed>>();
  readonly #recent: RecentVectors;

  constructor({ embedder, db, batch }: ComputedVectorsOptions) {
    this.#embedder = embedder;
    this.#db = db;
    this.#recent = new RecentVectors(embedder.dimensions);
    this.#computing = new Batcher({
      flush: (wanted) => this.#compute(wanted),
      size: batch,
      lingerMs: TOGETHER_MS,
      parallel: 2,
    });
  }

  async of(text: string): Promise<TextVector> {
    const digest = contentDigest(text);
    const recent = this.#recent.get(digest);
    if (recent !== undefined) return { digest, vector: recent, use: FREE };
    const underWay = this.#underWay.get(digest);
    if (underWay !== undefined) return { digest, vector: (await underWay).vector, use: FREE };
    const computing = this.#computing.add({ digest, text });
    this.#underWay.set(digest, computing);
    try {
      return { digest, ...(await computing) };
    } finally {
      this.#underWay.delete(digest);
    }
  }

  async #compute(wanted: readonly Wanted[]): Promise<Computed[]> {
    const digests = wanted.map(({ digest }) => digest);
    const stored = await findStored(this.#db, this.#embedder.space, digests);
    const texts = wanted.filter(({ digest }) => !stored.has(digest)).map(({ text }) => text);
    const startedAt = performance.now();
    const vectors = this.#embedder.embed(texts).values();
    const duration = performance.now() - startedAt;
    const uses = shares({ usage: NO_CALL, cost_usd: 0, duration_ms: duration }, texts).values();
    return wanted.map(({ digest }) => {
      if (stored.has(digest)) return { vector: undefined, use: FREE };
      const vector = vectors.next().value;
      const use = uses.next().value;
      if (vector === undefined || use === undefined) throw new Error('a vector is missing');
      this.#recent.add(digest, vector);
      return { vector, use };
    });
  }
}
