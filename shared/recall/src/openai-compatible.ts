import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import { classifyProviderError, ProviderError } from '@memfleet/models';
import { z } from 'zod';
import { checkedVectors } from './checked-vectors.ts';
import type { RemoteSettings } from './embedder-settings.ts';
import type { Embedded, RemoteEmbedder } from './embedder.ts';
import { spaceName } from './space.ts';

const VERSION = '1';
/** Sends texts as they are. */
const PREPROCESSING = 1;
const MAX_BATCH = 64;

/** The index, which the SDK leaves out: it tells which text a vector belongs to. */
const answerSchema = z.object({
  data: z.array(z.object({ index: z.int().optional(), embedding: z.array(z.number()) })),
});

/** Embeds through any service that supports OpenAI's format; one HTTP request per call, no retries here. */
export function openAICompatibleEmbedder(
  settings: RemoteSettings,
  fetcher: typeof fetch = fetch,
): RemoteEmbedder {
  const { baseUrl, model, dimensions, inputPerMillionUsd = 0, maxBatch = MAX_BATCH } = settings;
  const provider = createOpenAICompatible({
    name: 'embedding',
    fetch: fetcher,
    baseURL: baseUrl,
    ...(settings.apiKey === undefined ? {} : { apiKey: settings.apiKey }),
    ...(settings.headers === undefined ? {} : { headers: settings.headers }),
  });
  const embeddingModel = provider.embeddingModel(model);
  return {
    name: 'openai-compatible',
    version: VERSION,
    model,
    space: spaceName({
      provider: 'openai-compatible',
      model,
      dimensions,
      normalisation: 'l2',
      preprocessing: PREPROCESSING,
    }),
    dimensions,
    remote: true,
    usdPerToken: inputPerMillionUsd / 1e6,
    maxBatch,
    noise: 0,
    fusion: { textWeight: 1, vectorWeight: 1, k: 10 },
    async embed(texts, abortSignal): Promise<Embedded> {
      const startedAt = performance.now();
      let spent: Pick<Embedded, 'usage' | 'costUsd'> | undefined;
      try {
        const { response, usage } = await embeddingModel.doEmbed({
          values: [...texts],
          abortSignal,
        });
        const tokens = wholeTokens(usage?.tokens);
        spent = {
          usage: { calls: 1, input_tokens: tokens, output_tokens: 0 },
          costUsd: (tokens * inputPerMillionUsd) / 1e6,
        };
        const vectors = checkedVectors(inOrder(response?.body), {
          count: texts.length,
          dimensions,
        });
        return { vectors, ...spent };
      } catch (error) {
        // The signal carries the reason of an abort, and the caller knows it.
        if (abortSignal.aborted) throw error;
        const known = notANumber(error) ?? classifyProviderError(error);
        if (known === undefined || spent === undefined) throw known ?? error;
        // A wrong answer costs money as well.
        const duration = performance.now() - startedAt;
        const { usage, costUsd } = spent;
        throw known.withUse({ usage, cost_usd: costUsd, duration_ms: duration, cached: false });
      }
    },
  };
}

/** Services may leave usage out, or send nonsense. */
function wholeTokens(count: number | undefined): number {
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 ? count : 0;
}

/** Returns the vectors in the order of the texts: services may use any order, and the SDK does not sort. */
function inOrder(body: unknown): number[][] {
  const answer = answerSchema.safeParse(body);
  if (!answer.success) {
    throw new ProviderError('invalid_output', 'the answer does not fit: no list of vectors');
  }
  const { data } = answer.data;
  // A service that gives no index at all answers in order.
  if (data.every(({ index }) => index === undefined)) return data.map((item) => item.embedding);
  const sorted = data.toSorted((a, b) => (a.index ?? -1) - (b.index ?? -1));
  if (sorted.some(({ index }, place) => index !== place)) {
    throw new ProviderError(
      'invalid_output',
      'the answer does not fit: the indexes of the vectors are not 0 to n - 1',
    );
  }
  return sorted.map((item) => item.embedding);
}

/**
 * A model that fails on a text produces NaN, and some services write it as such. That is not JSON, but
 * no broken connection either: the next try would give the same, so the text must be singled out.
 */
function notANumber(error: unknown): ProviderError | undefined {
  if (!(error instanceof Error) || !('responseBody' in error)) return undefined;
  const { responseBody } = error;
  const status = 'statusCode' in error ? error.statusCode : undefined;
  if (status !== 200 || typeof responseBody !== 'string') return undefined;
  if (!/[[,]\s*-?(?:NaN|Infinity)\s*[,\]]/.test(responseBody)) return undefined;
  return new ProviderError('invalid_output', 'the answer does not fit: a value is not a number', {
    status,
    cause: error,
  });
}
