import { createEmbedder } from '@memfleet/recall';
import { runStageWorker } from '@memfleet/stages';
import { embeddingStage } from './stage.ts';

await runStageWorker('embedding', async ({ config, pool }, gate) => {
  const { provider, ...settings } = config.stages.embedding;
  return embeddingStage({ embedder: createEmbedder(provider, gate.fetch), pool, gate, settings });
});
