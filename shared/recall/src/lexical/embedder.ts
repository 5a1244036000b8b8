import type { LocalEmbedder } from '../embedder.ts';
import { spaceName } from '../space.ts';
import { features } from './features.ts';

/** A power of 2: the low bits of a hash are the dimension. */
const DIMENSIONS = 512;
/** Raised whenever a text would get a different vector: the space changes with it. */
const VERSION = 1;

/**
 * The embedder that needs no network: signed feature hashing (Weinberger and others, "Feature
 * hashing for large scale multitask learning", 2009) of words, word pairs and character n-grams. It
 * is lexical: texts that share words or parts of words are near, regardless of their meaning.
 */
export const lexicalEmbedder: LocalEmbedder = {
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
  // Two random directions in 512 dimensions differ from a right angle by 1/√512 = 0.044; twice that.
  noise: 0.09,
  // It compares words like the text ranking, but less well: measured, see TUNING.
  fusion: { textWeight: 5, vectorWeight: 1, k: 10 },
  embed(texts) {
    // Allocated in one piece: an allocation and a finaliser each cost a fifth of the time of a short text.
    const memory = new Float32Array(texts.length * DIMENSIONS);
    return texts.map((text, index) => {
      const vector = memory.subarray(index * DIMENSIONS, (index + 1) * DIMENSIONS);
      embedInto(vector, text);
      return vector;
    });
  },
};

/** The sums of one text at a time. */
const sums = new Float64Array(DIMENSIONS);

/** Total and deterministic: any text has a vector of length 1, on every machine the same. */
function embedInto(vector: Float32Array, text: string): void {
  sums.fill(0);
  features(text).forEach((hash, weight) => {
    const at = hash & (DIMENSIONS - 1);
    // The sign makes collisions cancel out on average instead of adding up.
    sums[at] = (sums[at] ?? 0) + (hash < 0 ? -weight : weight);
  });
  let squares = 0;
  for (const sum of sums) squares += sum * sum;
  if (squares === 0) {
    // A text of blanks, or one whose features cancel out: all such texts are alike.
    vector[0] = 1;
    return;
  }
  const norm = Math.sqrt(squares);
  for (let at = 0; at < DIMENSIONS; at += 1) vector[at] = (sums[at] ?? 0) / norm;
}
