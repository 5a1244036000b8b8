import { type ConfigSources, moduleReferences } from '@memfleet/runtime';
import type { StageDefinition } from '@memfleet/stages';
import { type BuiltInConfig, loadConfig } from './config.ts';
import { loadModules } from './modules/load-modules.ts';

/** A configured fleet, with the stages of its modules. */
export interface LoadedFleet {
  readonly config: BuiltInConfig;
  /** The stages of modules. */
  readonly stages: readonly StageDefinition[];
}

/**
 * Reads the configuration and loads the modules that it names; after that the registry knows their event
 * types.
 * @throws RuntimeError CONFIG_INVALID
 */
export async function loadFleet(sources: ConfigSources): Promise<LoadedFleet> {
  const stages = await loadModules(moduleReferences(sources, process.cwd()));
  return { config: loadConfig(sources, stages), stages };
}
