import type { EmbeddingProviderConfig } from '@memfleet/runtime';
import type { Embedder } from './embedder.ts';
import { lexicalEmbedder } from './lexical/embedder.ts';
import { openAICompatibleEmbedder } from './openai-compatible.ts';

/**
 * The embedder that the configuration names: the same for the worker and for recall. `fetcher` makes
 * the calls of a remote one, and may look at every answer.
 */
export function createEmbedder(
  provider: EmbeddingProviderConfig,
  fetcher: typeof fetch = fetch,
): Embedder {
  return provider.kind === 'local' ? lexicalEmbedder : openAICompatibleEmbedder(provider, fetcher);
}
