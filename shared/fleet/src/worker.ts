import { type ProviderConfig, RuntimeError } from '@memfleet/runtime';
import {
  runStageWorker,
  type StageDeclaration,
  type StageDefinition,
  type StageSetup,
} from '@memfleet/stages';
import { loadFleet } from './load-fleet.ts';

/** Runs the process of a built-in stage. */
export async function runStage<Provider extends ProviderConfig, Extra>(
  declaration: StageDeclaration<Provider>,
  open: StageDefinition<Provider, Extra>['open'],
): Promise<never> {
  return await runStageWorker<Extra>(declaration.name, async (sources) => ({
    config: (await loadFleet(sources)).config,
    // The schema of the declaration has checked the settings of its provider.
    stage: { ...declaration, open: async (setup) => await open(setup as StageSetup<Provider>) },
  }));
}

/** Runs the process of a stage from a module. */
export async function runModuleStage(name: string): Promise<never> {
  return await runStageWorker(name, async (sources) => {
    const { config, stages } = await loadFleet(sources);
    const stage = stages.find((one) => one.name === name);
    if (stage !== undefined) return { config, stage };
    const known = stages.map((one) => one.name).join(', ') || 'none';
    throw new RuntimeError(
      'CONFIG_INVALID',
      `no module has a stage ${name}; stages of the configured modules: ${known}`,
    );
  });
}
