import type { StageDeclaration } from '@memfleet/stages';
import { z } from 'zod';
import { count, localProvider, price, service } from './provider.ts';

const provider = z.discriminatedUnion('kind', [
  localProvider,
  z.strictObject({
    ...service,
    dimensions: count(1, 65_536),
    inputPerMillionUsd: price.default(0),
    maxBatch: count(1, 2_048).default(64),
  }),
]);

export type EmbeddingProviderConfig = z.output<typeof provider>;

/** Contents and facts → vectors, as `memory.embedded`. */
export const embedding: StageDeclaration<EmbeddingProviderConfig> = {
  name: 'embedding',
  /** Raise it to embed every event again; another model alone affects only new events. */
  version: 1,
  inputs: { content: 'content.*', facts: 'derived.extracted' },
  provider,
};
