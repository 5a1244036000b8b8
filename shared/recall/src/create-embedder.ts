import type { EmbedderSettings, LocalSettings, RemoteSettings } from './embedder-settings.ts';
import type { Embedder, LocalEmbedder, RemoteEmbedder } from './embedder.ts';
import { lexicalEmbedder } from './lexical/embedder.ts';
import { openAICompatibleEmbedder } from './openai-compatible.ts';

/**
 * The embedder that the settings name: the same for the worker and for recall. `fetcher` makes the
 * calls of a remote one, and may inspect every answer.
 */
export function createEmbedder(settings: LocalSettings): LocalEmbedder;
export function createEmbedder(settings: RemoteSettings, fetcher?: typeof fetch): RemoteEmbedder;
export function createEmbedder(settings: EmbedderSettings, fetcher?: typeof fetch): Embedder;
export function createEmbedder(
  settings: EmbedderSettings,
  fetcher: typeof fetch = fetch,
): Embedder {
  return settings.kind === 'local' ? lexicalEmbedder : openAICompatibleEmbedder(settings, fetcher);
}
