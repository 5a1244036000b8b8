import { RuntimeError } from '@memfleet/runtime';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { buildTrees, drawTree } from './draw.ts';
import { lineageOf, MAX_TREE } from './lineage.ts';

export async function tree(
  globals: Globals,
  id: string,
  tenant: string | undefined,
): Promise<void> {
  await using database = await openReadModels(globals, 'events');
  const rows = await lineageOf(database.pool, id, tenant);
  if (rows.length === 0) {
    throw new RuntimeError('NOT_FOUND', `the lineage projection knows no event with the id ${id}`);
  }
  if (rows.length > MAX_TREE) note(`memfleet: only the first ${MAX_TREE} events are shown`);
  for (const root of buildTrees(rows.slice(0, MAX_TREE))) {
    if (globals.json) await printJson(root);
    else await printLine(drawTree(root, id));
  }
}
