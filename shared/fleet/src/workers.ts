import { fileURLToPath } from 'node:url';
import type { FleetConfig } from '@memfleet/runtime';
import { STAGES } from './config.ts';

const PROJECTION = 'projection';

/** The workers that every fleet has. Each is a process, `workers/<name>`. */
export const BUILT_IN_WORKERS: readonly string[] = [...STAGES.map(({ name }) => name), PROJECTION];

/** The workers of a fleet: one for each stage, and that of the projections. */
export function workersOf(config: FleetConfig): readonly string[] {
  return [...Object.keys(config.stages), PROJECTION];
}

/** Whether a worker runs a stage; the only other worker runs the projections. */
export function isStage(worker: string): boolean {
  return worker !== PROJECTION;
}

/** The program that makes Node this worker: a file, and its arguments. */
export function workerProgram(name: string): string[] {
  const isBuiltIn = BUILT_IN_WORKERS.includes(name);
  const folder = isBuiltIn ? name : 'module-stage';
  const file = fileURLToPath(new URL(`../../../workers/${folder}/src/main.ts`, import.meta.url));
  return isBuiltIn ? [file] : [file, name];
}
