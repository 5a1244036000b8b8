import { pauseStage, resumeStage } from '@memfleet/stages';
import { expectOneOf } from '../expect-one-of.ts';
import { type Database, openReadModels, readConfig } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';

export async function pause(globals: Globals, stage: string, because: string): Promise<void> {
  await using database = await openFor(globals, stage);
  const { reason, since, isNew } = await pauseStage(database.pool, stage, because);
  if (globals.json) await printJson({ stage, paused: true, since, reason });
  else {
    const when = isNew ? '' : ` since ${since.toISOString()}`;
    await printLine(`${stage} is paused${when}: ${reason}`);
  }
}

export async function resume(globals: Globals, stage: string): Promise<void> {
  await using database = await openFor(globals, stage);
  const before = await resumeStage(database.pool, stage);
  if (globals.json) await printJson({ stage, paused: false, wasPaused: before !== undefined });
  else if (before === undefined) await printLine(`${stage} was not paused`);
  else await printLine(`${stage} is resumed; it was paused since ${before.since.toISOString()}`);
}

/** Opens the database after checking that the stage exists. */
async function openFor(globals: Globals, stage: string): Promise<Database> {
  expectOneOf('stage', stage, Object.keys((await readConfig(globals)).stages));
  return await openReadModels(globals, 'stage');
}
