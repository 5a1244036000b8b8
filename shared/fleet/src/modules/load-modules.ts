import { existsSync } from 'node:fs';
import { findPackageJSON, registerHooks } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { checkFixtures, registry } from '@memfleet/events';
import { messageOf, type ModuleReference, RuntimeError } from '@memfleet/runtime';
import type { StageDefinition } from '@memfleet/stages';
import { BUILT_IN_WORKERS } from '../workers.ts';
import { type FleetModule, problemsOf } from './module.ts';

/** Packages that a module imports from its fleet, and not from a copy of its own. */
const FROM_THE_FLEET = /^(?:@memfleet\/[a-z]+|zod)(?:\/|$)/;
const ENTRY = 'memfleet-module:';

/**
 * Loads the modules that the configuration names, once per process. Afterwards the registry knows their
 * event types, whose golden fixtures have been checked.
 * @returns their stages
 * @throws RuntimeError CONFIG_INVALID that names the module and its problem
 */
export async function loadModules(
  references: readonly ModuleReference[],
): Promise<readonly StageDefinition[]> {
  if (references.length === 0) return [];
  const modules: FleetModule[] = [];
  for (const reference of references) modules.push(await loadModule(reference));
  const stages = modules.flatMap((module) => module.stages ?? []);
  const names = stages.map((stage) => stage.name);
  const twice = names.find(
    (name, index) => BUILT_IN_WORKERS.includes(name) || names.indexOf(name) !== index,
  );
  if (twice !== undefined) {
    throw new RuntimeError('CONFIG_INVALID', `modules: the name of the stage ${twice} is taken`);
  }
  return stages;
}

const loaded = new Map<string, Promise<FleetModule>>();

async function loadModule(reference: ModuleReference): Promise<FleetModule> {
  const { specifier, folder } = reference;
  const name = JSON.stringify([specifier, folder]);
  const before = loaded.get(name);
  if (before !== undefined) return await before;
  const loading = imported(reference);
  loaded.set(name, loading);
  return await loading;
}

async function imported({ specifier, folder }: ModuleReference): Promise<FleetModule> {
  const failed = (why: string, cause?: unknown): RuntimeError =>
    new RuntimeError('CONFIG_INVALID', `modules: ${specifier} (from ${folder}): ${why}`, cause);
  let exported: unknown;
  try {
    exported = await importFrom(specifier, folder);
  } catch (error) {
    const isFile = !specifier.startsWith('.') && existsSync(join(folder, specifier));
    const hint = isFile ? `, did you mean ./${specifier}?` : '';
    throw failed(`it cannot be loaded: ${messageOf(error)}${hint}`, error);
  }
  const problems = problemsOf(exported);
  if (problems.length > 0) throw failed(problems.join('; '));
  const module = exported as FleetModule;
  try {
    const { eventTypes = [] } = module;
    for (const type of eventTypes) checkFixtures(type);
    registry.add(eventTypes);
  } catch (error) {
    throw failed(messageOf(error), error);
  }
  return module;
}

/**
 * Imports a module as a file in `folder` would. In any location it gets the fleet's own packages: with a
 * second copy of them, its errors and schemas would not be recognised as ours.
 */
async function importFrom(specifier: string, folder: string): Promise<unknown> {
  const parentURL = pathToFileURL(join(folder, '/')).href;
  // Numbered, since Node resolves the same specifier only once.
  const entry = `${ENTRY}${loaded.size}`;
  let root = '';
  registerHooks({
    resolve(wanted, context, next) {
      if (wanted === entry) {
        const found = next(specifier, { ...context, parentURL });
        root = rootOf(found.url);
        return found;
      }
      const isOurs = FROM_THE_FLEET.test(wanted) && isBelow(root, context.parentURL);
      return next(wanted, isOurs ? { ...context, parentURL: import.meta.url } : context);
    },
  });
  const { default: exported } = (await import(entry)) as { readonly default?: unknown };
  return exported;
}

/** The folder of the package that a file belongs to; without a package, its own. */
function rootOf(url: string): string {
  const manifest = findPackageJSON(url);
  return new URL('.', manifest === undefined ? url : pathToFileURL(manifest)).href;
}

/** Whether a file is below a folder, and not in a separate package there. */
function isBelow(root: string, file: string | undefined): boolean {
  if (root === '' || file === undefined || !file.startsWith(root)) return false;
  return !file.slice(root.length).includes('node_modules/');
}
