export { type BuiltInConfig, type BuiltInStage, loadConfig, STAGES } from './config.ts';
export { type LoadedFleet, loadFleet } from './load-fleet.ts';
export { defineModule, type FleetModule } from './modules/module.ts';
export { compareFleet, type FleetTarget, provisionFleet } from './provision.ts';
export { embedding, type EmbeddingProviderConfig } from './stages/embedding.ts';
export { extraction, type ExtractionProviderConfig } from './stages/extraction.ts';
export { topologyOf } from './topology.ts';
export { runModuleStage, runStage } from './worker.ts';
export { BUILT_IN_WORKERS, isStage, workerProgram, workersOf } from './workers.ts';
