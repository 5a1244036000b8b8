export { createEmbedder } from './create-embedder.ts';
export type { Embedded, Embedder, Fusion, LocalEmbedder, RemoteEmbedder } from './embedder.ts';
export { lexicalEmbedder } from './lexical/embedder.ts';
export { fuse } from './rank-fusion.ts';
export { openAICompatibleEmbedder } from './openai-compatible.ts';
export type { Halves, Neighbours, RecallQuery, RecallScope } from './query.ts';
export { recall } from './recall.ts';
export type {
  ContextTurn,
  RecallHit,
  RecallNote,
  RecallNoteCode,
  RecallResult,
  Speaker,
  TextMatch,
  VectorMatch,
} from './result.ts';
export { type AddressedVector, contentDigest, findStored, storeVectors } from './vectors.ts';
