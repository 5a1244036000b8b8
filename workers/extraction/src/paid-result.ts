import { extractedEntity, extractedFact } from '@memfleet/events';
import {
  type PaidResult,
  ProviderError,
  type ProviderGate,
  type ResultCache,
  resultKey,
} from '@memfleet/models';
import type { Waiting } from '@memfleet/runtime';
import { z } from 'zod';
import {
  cacheKey,
  type ExtractionInput,
  type ExtractionOutput,
  type RemoteExtractor,
} from './extractor.ts';

/** What is kept of a paid call: what was found, not what it cost. */
const kept = z.object({
  facts: z.array(extractedFact),
  entities: z.array(extractedEntity),
  emptyReason: z.string().optional(),
});

export interface Obtained {
  readonly output: ExtractionOutput;
  readonly cached: boolean;
  /** There unless it came from the table: to be stored with the result. */
  readonly paid?: PaidResult;
}

/** Whose event it is, what ends the work on it, and who is told of its waits. */
export interface Asker {
  readonly tenant: string;
  readonly signal: AbortSignal;
  readonly waits: Waiting;
}

/** Asks a model, unless the same was asked before or is being asked now: then it costs nothing. */
export async function obtain(
  extractor: RemoteExtractor,
  gate: ProviderGate,
  cache: ResultCache,
  input: ExtractionInput,
  asker: Asker,
): Promise<Obtained> {
  const { name, version, model = '' } = extractor;
  const key = resultKey('extraction', name, version, model, cacheKey(input));
  let made: ExtractionOutput | undefined;
  const make = async (waits: Waiting): Promise<string> => {
    const output = await call(extractor, gate, input, { ...asker, waits });
    made = output;
    const { facts, entities, emptyReason } = output;
    return JSON.stringify({ facts, entities, emptyReason });
  };
  const { result, isStored } = await cache.resolve(key, asker.signal, make, asker.waits);
  if (made !== undefined) return { output: made, cached: false, paid: { key, result } };
  const { facts, entities, emptyReason } = kept.parse(JSON.parse(result));
  return {
    output: {
      facts,
      entities,
      ...(emptyReason === undefined ? {} : { emptyReason }),
      usage: { calls: 0, input_tokens: 0, output_tokens: 0 },
      costUsd: 0,
    },
    cached: true,
    ...(isStored ? {} : { paid: { key, result } }),
  };
}

/** One call, within the budget of the tenant and the rate limit of the service. */
async function call(
  extractor: RemoteExtractor,
  gate: ProviderGate,
  input: ExtractionInput,
  { tenant, signal, waits }: Asker,
): Promise<ExtractionOutput> {
  const expected = extractor.estimate?.(input) ?? { tokens: 0, usd: 0 };
  const reservation = await gate.reserve(tenant, expected);
  try {
    const output = await gate.call(() => extractor.extract(input, signal), {
      tokens: expected.tokens,
      tookTokens: tokensOf,
      signal,
      waits,
    });
    reservation.settle({ tokens: tokensOf(output), usd: output.costUsd });
    return output;
  } catch (error) {
    const use = error instanceof ProviderError ? error.use : undefined;
    reservation.settle(use && { tokens: tokensOf(use), usd: use.cost_usd });
    throw error;
  }
}

function tokensOf({ usage }: Pick<ExtractionOutput, 'usage'>): number {
  return usage.input_tokens + usage.output_tokens;
}
