import { ResultCache, runStageWorker } from '@memfleet/runtime';
import { limited } from './limited.ts';
import { createExtractor } from './providers/create.ts';
import { extractionStage } from './stage.ts';

await runStageWorker('extraction', async ({ config, pool }, gate) => {
  const { provider, batch, linger, deadline } = config.stages.extraction;
  const cache = new ResultCache(pool, { batch, lingerMs: linger });
  const extractor = await createExtractor(provider, gate.fetch);
  const bounded = extractor.remote ? limited(extractor, deadline) : extractor;
  return extractionStage(bounded, gate, cache);
});
