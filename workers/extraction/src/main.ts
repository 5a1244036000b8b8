import { ResultCache, runStageWorker } from '@memfleet/runtime';
import { createExtractor } from './providers/create.ts';
import { extractionStage } from './stage.ts';

await runStageWorker('extraction', async ({ config, pool }, gate) => {
  const { provider, batch, linger } = config.stages.extraction;
  const cache = new ResultCache(pool, { batch, lingerMs: linger });
  return extractionStage(createExtractor(provider, gate.fetch), gate, cache);
});
