import { embedding, runStage } from '@memfleet/fleet';
import { createEmbedder } from '@memfleet/recall';
import { embeddingStage } from './stage.ts';

await runStage(embedding, ({ settings, gate, pool }) =>
  embeddingStage({ embedder: createEmbedder(settings.provider, gate.fetch), pool, gate, settings }),
);
