/**
 * Which embedder: what `stages.embedding.provider` of the fleet's configuration says. Texts that two
 * embedders made vectors of can be compared only if kind, model and dimensions agree.
 */
export type EmbedderSettings = LocalSettings | RemoteSettings;

/** Free and offline: words and parts of words, hashed. */
export interface LocalSettings {
  readonly kind: 'local';
}

/** Any service that speaks OpenAI's format. */
export interface RemoteSettings {
  readonly kind: 'openai-compatible';
  /** Everything before /embeddings. */
  readonly baseUrl: string;
  readonly model: string;
  readonly dimensions: number;
  readonly apiKey?: string | undefined;
  /** Sent with every call, for gateways that want them. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
  /** What a million tokens cost. Default: 0. */
  readonly inputPerMillionUsd?: number;
  /** Most texts in one call. Default: 64. */
  readonly maxBatch?: number;
}
