import type { Embedded, Embedder } from '../embedder.ts';
import { spaceName } from '../space.ts';
import { features } from './features.ts';

/** A power of 2: the low bits of a hash are the place. */
const DIMENSIONS = 512;
/** Raised whenever a text would get another vector: the space changes with it. */
const VERSION = 1;

/**
 * The embedder that needs no network: signed feature hashing (Weinberger and others, "Feature
 * hashing for large scale multitask learning", 2009) of words, word pairs and character n-grams. It
 * is lexical: texts are near that share words or parts of words, whatever they mean.
 */
export const lexicalEmbedder: Embedder = {
  name: 'lexical',
  version: String(VERSION),
  space: spaceName({
    provider: 'local',
    model: 'lexical',
    dimensions: DIMENSIONS,
    normalisation: 'l2',
    preprocessing: VERSION,
  }),
  dimensions: DIMENSIONS,
  remote: false,
  // About 10 ms of computing, in which the event loop does nothing else.
  maxBatch: 256,
  // Two random directions in 512 dimensions differ from a right angle by 1/√512 = 0.044; twice that.
  noise: 0.09,
  async embed(texts, signal): Promise<Embedded> {
    signal.throwIfAborted();
    return {
      vectors: texts.map(lexicalVector),
      usage: { calls: 1, input_tokens: 0, output_tokens: 0 },
      costUsd: 0,
    };
  },
};

/** Total and deterministic: any text has a vector of length 1, on every machine the same. */
function lexicalVector(text: string): Float32Array {
  const sums = new Float64Array(DIMENSIONS);
  features(text).forEach((hash, weight) => {
    const at = hash & (DIMENSIONS - 1);
    // The sign makes collisions cancel out on average instead of adding up.
    sums[at] = (sums[at] ?? 0) + (hash < 0 ? -weight : weight);
  });
  let squares = 0;
  for (const sum of sums) squares += sum * sum;
  // A text of blanks, or one whose features cancel out: all such texts are alike.
  if (squares === 0) return Float32Array.of(1, ...new Float32Array(DIMENSIONS - 1));
  const norm = Math.sqrt(squares);
  return Float32Array.from(sums, (sum) => sum / norm);
}
