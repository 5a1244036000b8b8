import { pauseStage, resumeStage } from '@memfleet/stages';
import { expectOneOf } from '../expect-one-of.ts';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';

export async function pause(globals: Globals, stage: string, because: string): Promise<void> {
  await using database = await openReadModels(globals, 'stage-pause');
  expectOneOf('stage', stage, Object.keys(database.config.stages));
  const { reason, since, isNew } = await pauseStage(database.pool, stage, because);
  if (globals.json) await printJson({ stage, paused: true, since, reason });
  else {
    const when = isNew ? '' : ` since ${since.toISOString()}`;
    await printLine(`${stage} is paused${when}: ${reason}`);
  }
}

export async function resume(globals: Globals, stage: string): Promise<void> {
  await using database = await openReadModels(globals, 'stage-resume');
  expectOneOf('stage', stage, Object.keys(database.config.stages));
  const before = await resumeStage(database.pool, stage);
  if (globals.json) await printJson({ stage, paused: false, wasPaused: before !== undefined });
  else if (before === undefined) await printLine(`${stage} was not paused`);
  else await printLine(`${stage} is resumed; it was paused since ${before.since.toISOString()}`);
}
