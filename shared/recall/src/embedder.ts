import type { ModelUse } from '@memfleet/events';

/** What one call came to: a vector of length 1 per text, in the order of the texts. */
export interface Embedded {
  readonly vectors: readonly Float32Array[];
  readonly usage: ModelUse['usage'];
  readonly costUsd: number;
}

/**
 * Turns texts into vectors of one space. The worker embeds content with it and recall embeds the
 * query with it, so both must be given the same one.
 */
export interface Embedder {
  readonly name: string;
  readonly version: string;
  readonly model?: string;
  /** Name of the space, see `spaceName`: vectors of different spaces cannot be compared. */
  readonly space: string;
  readonly dimensions: number;
  /** True when calling costs money or minutes. */
  readonly remote: boolean;
  /** What a token costs, where it costs anything. */
  readonly usdPerToken?: number;
  /** Most texts in one call. */
  readonly maxBatch: number;
  /** Cosine similarity that texts without anything in common reach by chance; recall drops those. */
  readonly noise: number;
  /** @throws ProviderError; a wrong answer is `invalid_output`, and no vector of it is returned. */
  embed(texts: readonly string[], signal: AbortSignal): Promise<Embedded>;
}
