import { createEmbedder, recall, type Recalled } from '@memfleet/recall';
import { ProviderError } from '@memfleet/runtime';
import { openReadModels } from '../fleet.ts';
import type { Globals } from '../globals.ts';
import { note, printJson, printLine } from '../output.ts';
import { printable } from '../words.ts';

interface RecallWish {
  readonly tenant: string;
  readonly query: string;
  readonly limit: number;
}

export async function recallMemories(globals: Globals, wish: RecallWish): Promise<void> {
  await using database = await openReadModels(globals, 'recall');
  const { pool, config } = database;
  const embedder = createEmbedder(config.stages.embedding.provider);
  let results: Recalled[];
  try {
    results = await recall(pool, { ...wish, embedder });
  } catch (error) {
    // Words can still be searched while the service that makes vectors is away.
    if (!(error instanceof ProviderError)) throw error;
    note(`memfleet: the query could not be embedded (${error.message}); searching by words alone`);
    results = await recall(pool, { ...wish, embedder: undefined });
  }
  if (globals.json) {
    await printJson({ tenant: wish.tenant, query: wish.query, results });
    return;
  }
  if (results.length === 0) await printLine('nothing is remembered that answers this');
  for (const [index, result] of results.entries()) await printLine(resultText(index + 1, result));
}

/** The memory's content as one paragraph, and below it why it was found. */
function resultText(rank: number, result: Recalled): string {
  const { memory, content, kind, created_at, fact, fullTextRank, similarity } = result;
  const why = [
    ...(fullTextRank === undefined ? [] : [`words #${fullTextRank}`]),
    ...(similarity === undefined ? [] : [`similarity ${similarity.toFixed(2)}`]),
    ...(fact === undefined ? [] : [`fact: ${printable(fact)}`]),
  ];
  const about = [memory, kind, created_at.toISOString(), ...why].join(' · ');
  return `${String(rank).padStart(2)}. ${printable(content)}\n    ${about}`;
}
