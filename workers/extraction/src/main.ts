import { ResultCache } from '@memfleet/models';
import { runStageWorker } from '@memfleet/stages';
import { limited } from './limited.ts';
import { createExtractor } from './providers/create.ts';
import { extractionStage } from './stage.ts';

/** Events that were claimed together look their results up together. */
const TOGETHER_MS = 1;

await runStageWorker('extraction', async ({ config, pool }, gate) => {
  const { provider, batch, deadline } = config.stages.extraction;
  const cache = new ResultCache(pool, { batch, lingerMs: TOGETHER_MS });
  const extractor = await createExtractor(provider, gate.fetch);
  const bounded = extractor.remote ? limited(extractor, deadline) : extractor;
  return extractionStage(bounded, gate, cache);
});
