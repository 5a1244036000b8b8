import { createOpenAICompatible } from '@ai-sdk/openai-compatible';
import type { ExtractionProviderConfig } from '@memfleet/fleet';
import { classifyProviderError, ProviderError } from '@memfleet/models';
import {
  generateText,
  jsonSchema,
  type LanguageModel,
  type LanguageModelUsage,
  NoObjectGeneratedError,
  Output,
} from 'ai';
import { z } from 'zod';
import type { ExtractionInput, ExtractionOutput, RemoteExtractor } from '../../extractor.ts';
import { type Answer, answerSchema, readAnswer } from './answer.ts';
import { PROMPT_VERSION, promptOf, repairOf } from './prompt.ts';

type ServiceConfig = Extract<ExtractionProviderConfig, { kind: 'openai-compatible' }>;

/** Raise it when answers are read differently. */
const READING_VERSION = '1';
/** How much of its own answer a model sees when it should repair it, in UTF-16 units. */
const SHOWN_ANSWER = 8_000;
/** Text has about this many characters per token; more in plain English, fewer in code and names. */
const CHARACTERS_PER_TOKEN = 3.5;
/** Assumed tokens of an answer until the service has given some; after that, their mean counts. */
const USUAL_OUTPUT = 256;
/** Weight of the newest answer in that mean. */
const NEWEST = 0.1;

// The service gets the schema, but `readAnswer` checks the answer: it drops one wrong item where a
// strict check would reject the whole answer.
const output = Output.object({
  name: 'extraction',
  schema: jsonSchema(z.toJSONSchema(answerSchema, { target: 'draft-7' }) as object, {
    validate: (value) => ({ success: true, value }),
  }),
});

/**
 * Extraction by a chat model behind an OpenAI-compatible service. It makes one call for each text, and a
 * second one when the answer cannot be used, which shows the model what is wrong.
 */
export function createModelExtractor(
  config: ServiceConfig,
  fetcher: typeof fetch = fetch,
): RemoteExtractor {
  const model = languageModelOf(config, fetcher);
  let usualOutput = USUAL_OUTPUT;
  return {
    name: 'openai-compatible',
    version: `${READING_VERSION}.${PROMPT_VERSION}${config.structuredOutputs ? '' : '.text'}`,
    model: config.model,
    remote: true,
    estimate(input) {
      const { instructions, prompt } = promptOf(input, config.structuredOutputs);
      const inputTokens = Math.ceil((instructions.length + prompt.length) / CHARACTERS_PER_TOKEN);
      return {
        tokens: inputTokens + Math.ceil(usualOutput),
        usd: costOf(config, inputTokens, usualOutput),
      };
    },
    async extract(input, signal) {
      const extracted = await extract(model, config, input, signal);
      usualOutput += NEWEST * (extracted.usage.output_tokens - usualOutput);
      return extracted;
    },
  };
}

function languageModelOf(config: ServiceConfig, fetcher: typeof fetch): LanguageModel {
  const isOpenAi = new URL(config.baseUrl).hostname === 'api.openai.com';
  const provider = createOpenAICompatible({
    name: 'service',
    fetch: fetcher,
    baseURL: config.baseUrl,
    supportsStructuredOutputs: config.structuredOutputs,
    ...(config.apiKey === undefined ? {} : { apiKey: config.apiKey }),
    ...(config.headers === undefined ? {} : { headers: config.headers }),
    // OpenAI's own newer models refuse the old name, which all other services still expect.
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

type Messages = { readonly role: 'user' | 'assistant'; readonly content: string }[];

async function extract(
  model: LanguageModel,
  config: ServiceConfig,
  input: ExtractionInput,
  signal: AbortSignal,
): Promise<ExtractionOutput> {
  const startedAt = performance.now();
  const { instructions, prompt } = promptOf(input, config.structuredOutputs);
  const messages: Messages = [{ role: 'user', content: prompt }];
  const answers: Said[] = [];
  const outputOf = async (): Promise<ExtractionOutput> => {
    const said = await ask(model, config, { instructions, messages }, signal);
    answers.push(said);
    return { ...readSaid(said), ...spentOn(answers, config) };
  };
  try {
    try {
      return await outputOf();
    } catch (error) {
      const [first] = answers;
      const isMendable = first !== undefined && first.finishReason !== 'length';
      if (!isMendable || !isWrongAnswer(error)) throw error;
      messages.push(
        {
          role: 'assistant',
          content: first.text.slice(0, SHOWN_ANSWER).toWellFormed() || '(nothing)',
        },
        { role: 'user', content: repairOf(error.message) },
      );
      return await outputOf();
    }
  } catch (error) {
    if (!(error instanceof ProviderError) || answers.length === 0) throw error;
    const { usage, costUsd } = spentOn(answers, config);
    const duration = performance.now() - startedAt;
    throw error.withUse({ usage, cost_usd: costUsd, duration_ms: duration, cached: false });
  }
}

function isWrongAnswer(error: unknown): error is ProviderError {
  return error instanceof ProviderError && error.errorClass === 'invalid_output';
}

/** @throws ProviderError */
function readSaid({ text, finishReason }: Said): Answer {
  if (finishReason === 'content-filter') {
    throw new ProviderError('invalid_input', 'the service refuses this content');
  }
  if (finishReason === 'length') {
    throw new ProviderError('invalid_output', 'the answer was cut off at maxOutputTokens');
  }
  return readAnswer(text);
}

function spentOn(
  answers: readonly Said[],
  config: ServiceConfig,
): Pick<ExtractionOutput, 'usage' | 'costUsd'> {
  const sum = (of: (usage: LanguageModelUsage) => number | undefined): number =>
    answers.reduce((all, { usage }) => all + (usage === undefined ? 0 : tokensOf(of(usage))), 0);
  const sent = sum(({ inputTokens }) => inputTokens);
  const said = sum(({ outputTokens }) => outputTokens);
  return {
    usage: { calls: answers.length, input_tokens: sent, output_tokens: said },
    costUsd: costOf(config, sent, said),
  };
}

function costOf(config: ServiceConfig, inputTokens: number, outputTokens: number): number {
  const { inputPerMillionUsd, outputPerMillionUsd } = config;
  return (inputTokens * inputPerMillionUsd + outputTokens * outputPerMillionUsd) / 1e6;
}

async function ask(
  model: LanguageModel,
  config: ServiceConfig,
  asked: { readonly instructions: string; readonly messages: Messages },
  signal: AbortSignal,
): Promise<Said> {
  const settings = {
    model,
    ...asked,
    maxOutputTokens: config.maxOutputTokens,
    // The work loop repeats calls: it knows attempts, leases and pauses.
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
