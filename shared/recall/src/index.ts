export { createEmbedder } from './create-embedder.ts';
export type { EmbedderSettings, LocalSettings, RemoteSettings } from './embedder-settings.ts';
export type { Embedded, Embedder, Fusion, LocalEmbedder, RemoteEmbedder } from './embedder.ts';
export { fuse, type Fused } from './rank-fusion.ts';
export type { Halves, Neighbours, RecallBounds, RecallQuery, RecallScope } from './query.ts';
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
export { ProviderError, type ProviderErrorClass } from '@memfleet/models';
export type { Queryable } from '@memfleet/runtime';
