import { extraction, runStage } from '@memfleet/fleet';
import { createExtractor } from './providers/create.ts';
import { extractionStage } from './stage.ts';

await runStage(extraction, async (setup) =>
  extractionStage(await createExtractor(setup.settings.provider, setup.gate.fetch), setup),
);
