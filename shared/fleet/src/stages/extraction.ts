import type { StageDeclaration } from '@memfleet/stages';
import { z } from 'zod';
import { count, localProvider, price, service } from './provider.ts';

const provider = z.discriminatedUnion('kind', [
  localProvider,
  z.strictObject({
    ...service,
    inputPerMillionUsd: price.default(0),
    outputPerMillionUsd: price.default(0),
    maxOutputTokens: count(16, 1_000_000).default(4_096),
    structuredOutputs: z.boolean().default(true),
  }),
]);

export type ExtractionProviderConfig = z.output<typeof provider>;

/** Contents → facts and entities, as `memory.extracted`. */
export const extraction: StageDeclaration<ExtractionProviderConfig> = {
  name: 'extraction',
  /** Raise it to extract every event again. */
  version: 1,
  inputs: { content: 'content.*' },
  provider,
};
