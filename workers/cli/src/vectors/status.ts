import { vectorSpaces } from '@memfleet/projections';
import { createEmbedder } from '@memfleet/recall';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { printJson, printLine } from '../output.ts';
import { type Column, table } from '../table.ts';
import { bytesInWords, grouped } from '../words.ts';

const COLUMNS: readonly Column[] = [
  { title: 'SPACE', align: 'left' },
  { title: 'VECTORS', align: 'right' },
  { title: 'INDEX', align: 'left' },
  { title: 'SIZE', align: 'right' },
  { title: 'BUILD NEEDS', align: 'right' },
  { title: 'NOTE', align: 'left' },
];

export async function showVectors(globals: Globals): Promise<void> {
  await using database = await openReadModels(globals, 'vectors');
  const { config, pool } = database;
  const live = createEmbedder(config.stages.embedding.provider).space;
  const spaces = await vectorSpaces(pool);
  if (globals.json) {
    for (const space of spaces) await printJson({ ...space, isLive: space.space === live });
    return;
  }
  if (spaces.length === 0) await printLine('no vectors');
  const rows = spaces.map(({ space, vectors, index }) => [
    space,
    grouped(vectors),
    index.state,
    bytesInWords(index.bytes),
    bytesInWords(index.buildBytes),
    space === live ? 'live' : '',
  ]);
  if (rows.length > 0) await printLine(table(COLUMNS, rows));
}
