import type { ExtractionProviderConfig } from '@memfleet/fleet';
import type { Extractor } from '../extractor.ts';

/**
 * `fetcher` makes the calls of a remote provider, and may inspect every answer. Only the configured
 * provider is loaded: the client of a model takes 18 MB.
 */
export async function createExtractor(
  config: ExtractionProviderConfig,
  fetcher: typeof fetch = fetch,
): Promise<Extractor> {
  if (config.kind === 'local') {
    const { createLocalExtractor } = await import('./local/local.ts');
    return createLocalExtractor();
  }
  const { createModelExtractor } = await import('./model/model.ts');
  return createModelExtractor(config, fetcher);
}
