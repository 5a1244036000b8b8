export { createEmbedder } from './create-embedder.ts';
export type { Embedded, Embedder, LocalEmbedder, RemoteEmbedder } from './embedder.ts';
export { lexicalEmbedder } from './lexical/embedder.ts';
export { openAICompatibleEmbedder } from './openai-compatible.ts';
export { recall, type Recalled, type RecallQuery } from './recall.ts';
export { type AddressedVector, contentDigest, findStored, storeVectors } from './vectors.ts';
