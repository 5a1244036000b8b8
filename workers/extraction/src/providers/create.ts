import type { ExtractionProviderConfig } from '@memfleet/runtime';
import type { Extractor } from '../extractor.ts';
import { createLocalExtractor } from './local/local.ts';
import { createModelExtractor } from './model/model.ts';

export function createExtractor(config: ExtractionProviderConfig): Extractor {
  return config.kind === 'local' ? createLocalExtractor() : createModelExtractor(config);
}
