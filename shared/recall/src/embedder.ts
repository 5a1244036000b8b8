import type { ModelUse } from '@memfleet/events';

/** The result of one call: a vector of length 1 per text, in the order of the texts. */
export interface Embedded {
  readonly vectors: readonly Float32Array[];
  readonly usage: ModelUse['usage'];
  readonly costUsd: number;
}

/**
 * Turns texts into vectors of one space. The worker embeds content with it and recall embeds the
 * query with it, so both must be given the same one.
 */
export type Embedder = LocalEmbedder | RemoteEmbedder;

interface NamedEmbedder {
  readonly name: string;
  readonly version: string;
  readonly model?: string;
  /** Name of the space, see `spaceName`: vectors of different spaces cannot be compared. */
  readonly space: string;
  readonly dimensions: number;
  /** Cosine similarity that texts without anything in common reach by chance; recall drops those. */
  readonly noise: number;
  /** How its ranking is merged with the ranking by words. */
  readonly fusion: Fusion;
}

/** Each ranking gives weight / (k + rank). */
export interface Fusion {
  readonly textWeight: number;
  readonly vectorWeight: number;
  readonly k: number;
}

/** Free, immediate and total: any text has a vector. */
export interface LocalEmbedder extends NamedEmbedder {
  readonly remote: false;
  /** One vector of length 1 per text. They share memory: keeping one of them keeps them all. */
  embed(texts: readonly string[]): readonly Float32Array[];
}

/** Calling it costs money or minutes. */
export interface RemoteEmbedder extends NamedEmbedder {
  readonly remote: true;
  /** The price of a token, if it has one. */
  readonly usdPerToken?: number;
  /** The most texts in one call. */
  readonly maxBatch: number;
  /** @throws ProviderError; a wrong answer is `invalid_output`, and none of its vectors is returned. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedded>;
}
