import { type ConfigSources, moduleReferences } from '@memfleet/runtime';
import type { StageDefinition } from '@memfleet/stages';
import { type BuiltInConfig, loadConfig } from './config.ts';
import { loadModules } from './modules/load-modules.ts';

/** A fleet as it is configured, with what its modules bring. */
export interface LoadedFleet {
  readonly config: BuiltInConfig;
  /** Of modules. */
  readonly stages: readonly StageDefinition[];
}

/**
 * Reads the configuration and loads the modules that it names; the registry knows their event types then.
 * @throws RuntimeError CONFIG_INVALID
 */
export async function loadFleet(sources: ConfigSources): Promise<LoadedFleet> {
  const stages = await loadModules(moduleReferences(sources, process.cwd()));
  return { config: loadConfig(sources, stages), stages };
}
