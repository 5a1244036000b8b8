import { makeVectorIndex, vectorSpaces } from '@memfleet/projections';
import { createEmbedder } from '@memfleet/recall';
import { RuntimeError } from '@memfleet/runtime';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { ProgressBar } from '../progress-bar.ts';
import { bytesInWords, durationInWords, grouped } from '../words.ts';

export async function indexVectors(globals: Globals, memoryBytes: number): Promise<void> {
  await using database = await openReadModels(globals, 'vectors');
  const { config, pool } = database;
  const { space } = createEmbedder(config.stages.embedding.provider);
  const stored = (await vectorSpaces(pool)).find((found) => found.space === space);
  if (stored === undefined) {
    throw new RuntimeError(
      'VECTORS_NOT_INDEXABLE',
      `no vector is stored yet in the space ${space}, in which the fleet embeds`,
    );
  }
  const { buildBytes } = stored.index;
  if (stored.index.state !== 'ready' && buildBytes > memoryBytes) {
    note(
      `memfleet: the index of ${grouped(stored.vectors)} vectors needs ${bytesInWords(buildBytes)} to be built at full speed; --memory allows ${bytesInWords(memoryBytes)}`,
    );
  }
  const bar = new ProgressBar({ label: 'indexing', total: 1, plainLines: !globals.json });
  const start = performance.now();
  const isMade = await makeVectorIndex(pool, stored, {
    memoryBytes,
    onProgress: (share) => {
      bar.update(share);
    },
  }).finally(() => {
    bar.end();
  });
  const seconds = (performance.now() - start) / 1_000;
  if (globals.json) {
    await printJson({ space, vectors: stored.vectors, index: stored.index.name, isMade, seconds });
    return;
  }
  await printLine(
    isMade
      ? `indexed ${grouped(stored.vectors)} ${stored.vectors === 1 ? 'vector' : 'vectors'} of ${space} in ${durationInWords(seconds)}`
      : `the vectors of ${space} already have their index`,
  );
}
