import { type ConfigSources, type FleetConfig, loadSettings } from '@memfleet/runtime';
import {
  defaultSettings,
  type SettingsOf,
  type StageDeclaration,
  type StageDefinition,
} from '@memfleet/stages';
import { embedding, type EmbeddingProviderConfig } from './stages/embedding.ts';
import { extraction, type ExtractionProviderConfig } from './stages/extraction.ts';

/** The built-in stages; their defaults are in config/fleet.yaml. */
export const STAGES: readonly StageDeclaration[] = [extraction, embedding];

/** One of the built-in stages. */
export type BuiltInStage = 'extraction' | 'embedding';

/** The configuration of a fleet, with typed sections for the built-in stages. */
export interface BuiltInConfig extends FleetConfig {
  readonly stages: FleetConfig['stages'] & {
    readonly extraction: SettingsOf<ExtractionProviderConfig>;
    readonly embedding: SettingsOf<EmbeddingProviderConfig>;
  };
}

/**
 * Defaults < file < environment < flags.
 * @param stages the stages of modules, in addition to the built-in ones
 * @throws RuntimeError CONFIG_INVALID that lists every problem with its path
 */
export function loadConfig(
  sources: ConfigSources,
  stages: readonly StageDefinition[] = [],
): BuiltInConfig {
  const sections = [...STAGES, ...stages].map(({ name, provider }) => [name, provider] as const);
  const defaults = stages.map((stage) => [stage.name, defaultSettings(stage)] as const);
  const config = loadSettings(sources, {
    sections: Object.fromEntries(sections),
    defaults: Object.fromEntries(defaults),
  });
  // The schema has checked the sections of our own stages.
  return config as BuiltInConfig;
}
