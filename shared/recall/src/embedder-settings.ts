/**
 * Selects the embedder: the value of `stages.embedding.provider` in the fleet's configuration. Vectors of
 * two embedders can be compared only if kind, model and dimensions agree.
 */
export type EmbedderSettings = LocalSettings | RemoteSettings;

/** Free and offline: words and parts of words, hashed. */
export interface LocalSettings {
  readonly kind: 'local';
}

/** Any service that supports OpenAI's format. */
export interface RemoteSettings {
  readonly kind: 'openai-compatible';
  /** Everything before /embeddings. */
  readonly baseUrl: string;
  readonly model: string;
  readonly dimensions: number;
  readonly apiKey?: string | undefined;
  /** Sent with every call, for gateways that want them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** Price of a million tokens. Default: 0. */
  readonly inputPerMillionUsd?: number;
  /** The most texts in one call. Default: 64. */
  readonly maxBatch?: number;
}
