import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import {
  classifyProviderError,
  type ExtractionProviderConfig,
  ProviderError,
} from '@memfleet/runtime';
import {
  generateText,
  jsonSchema,
  type LanguageModel,
  type LanguageModelUsage,
  NoObjectGeneratedError,
  Output,
} from 'ai';
import { z } from 'zod';
import type { ExtractionInput, ExtractionOutput, Extractor } from '../../extractor.ts';
import { answerSchema, readAnswer } from './answer.ts';
import { PROMPT_VERSION, promptOf } from './prompt.ts';

type ServiceConfig = Extract<ExtractionProviderConfig, { kind: 'openai-compatible' }>;

/** Raised when answers are read in another way. */
const READING_VERSION = '1';

// The schema is what the service is told. What comes back is checked by `readAnswer`, which drops
// one wrong item where a strict check would throw away the whole answer.
const output = Output.object({
  name: 'extraction',
  schema: jsonSchema(z.toJSONSchema(answerSchema, { target: 'draft-7' }) as object, {
    validate: (value) => ({ success: true, value }),
  }),
});

/** Extraction by a chat model behind an OpenAI-compatible service. One call for each text. */
export function createModelExtractor(config: ServiceConfig): Extractor {
  const model = languageModelOf(config);
  return {
    name: 'openai-compatible',
    version: `${READING_VERSION}.${PROMPT_VERSION}${config.structuredOutputs ? '' : '.text'}`,
    model: config.model,
    remote: true,
    extract: (input, signal) => extract(model, config, input, signal),
  };
}

function languageModelOf(config: ServiceConfig): LanguageModel {
  const isOpenAi = new URL(config.baseUrl).hostname === 'api.openai.com';
  const provider = createOpenAICompatible({
    name: 'service',
    baseURL: config.baseUrl,
    supportsStructuredOutputs: config.structuredOutputs,
    ...(config.apiKey === undefined ? {} : { apiKey: config.apiKey }),
    ...(config.headers === undefined ? {} : { headers: config.headers }),
    // OpenAI's own newer models refuse the old name, which everybody else still expects.
    ...(isOpenAi ? { transformRequestBody: withNewLimitName } : {}),
  });
  return provider.chatModel(config.model);
}

function withNewLimitName(body: Record<string, unknown>): Record<string, unknown> {
  const { max_tokens: limit, ...rest } = body;
  return { ...rest, max_completion_tokens: limit };
}

interface Said {
  readonly text: string;
  readonly finishReason: string | undefined;
  readonly usage: LanguageModelUsage | undefined;
}

async function extract(
  model: LanguageModel,
  config: ServiceConfig,
  input: ExtractionInput,
  signal: AbortSignal,
): Promise<ExtractionOutput> {
  const said = await ask(model, config, input, signal);
  if (said.finishReason === 'content-filter') {
    throw new ProviderError('invalid_input', 'the service refuses this content');
  }
  if (said.finishReason === 'length') {
    throw new ProviderError('invalid_output', 'the answer was cut off at maxOutputTokens');
  }
  const answer = readAnswer(said.text);
  const inputTokens = tokensOf(said.usage?.inputTokens);
  const outputTokens = tokensOf(said.usage?.outputTokens);
  return {
    ...answer,
    usage: { calls: 1, input_tokens: inputTokens, output_tokens: outputTokens },
    costUsd:
      (inputTokens * config.inputPerMillionUsd + outputTokens * config.outputPerMillionUsd) / 1e6,
  };
}

async function ask(
  model: LanguageModel,
  config: ServiceConfig,
  input: ExtractionInput,
  signal: AbortSignal,
): Promise<Said> {
  const settings = {
    model,
    ...promptOf(input, config.structuredOutputs),
    maxOutputTokens: config.maxOutputTokens,
    // Repeating is the work loop's business: it knows attempts, leases and pauses.
    maxRetries: 0,
    abortSignal: signal,
  };
  try {
    // The SDK has no switch between the two that the types could follow.
    const { text, finishReason, usage } = config.structuredOutputs
      ? await generateText({ ...settings, output })
      : await generateText(settings);
    return { text, finishReason, usage };
  } catch (error) {
    if (signal.aborted) throw error;
    if (NoObjectGeneratedError.isInstance(error) && error.text !== undefined) {
      return { text: error.text, finishReason: error.finishReason, usage: error.usage };
    }
    throw classifyProviderError(error) ?? error;
  }
}

/** Services may leave usage out, or send nonsense. */
function tokensOf(count: number | undefined): number {
  return count !== undefined && Number.isSafeInteger(count) && count >= 0 ? count : 0;
}
