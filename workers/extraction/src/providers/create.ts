import type { ExtractionProviderConfig } from '@memfleet/runtime';
import type { Extractor } from '../extractor.ts';
import { createLocalExtractor } from './local/local.ts';
import { createModelExtractor } from './model/model.ts';

/** `fetcher` makes the calls of a remote provider, and may look at every answer. */
export function createExtractor(
  config: ExtractionProviderConfig,
  fetcher: typeof fetch = fetch,
): Extractor {
  return config.kind === 'local' ? createLocalExtractor() : createModelExtractor(config, fetcher);
}
