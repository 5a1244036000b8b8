import type { ModelUse } from '@memfleet/events';
import type { Queryable, Waiting } from '@memfleet/runtime';
import type { z } from 'zod';
import { CallLimit } from './call-limit.ts';
import { type Cost, ZERO } from './cost.ts';
import { faultOfUse } from './model-use.ts';
import { ProviderError } from './provider-error.ts';
import type { ProviderGate } from './provider-gate.ts';
import { type PaidResult, type ResultCache, resultKey, storeResults } from './result-cache.ts';

/** The result of a call to a model service, and its cost. */
export interface Answer<Result> {
  readonly result: Result;
  readonly usage: ModelUse['usage'];
  readonly costUsd: number;
}

export interface Question<Result> {
  /** Everything the result depends on, in order: model, version of the prompt, the text itself. */
  readonly key: readonly string[];
  /** The estimated cost of a call: reserved in the budget until the answer reports the real one. */
  readonly expected?: Cost;
  /** Makes one call. @throws ProviderError when the service fails */
  call(signal: AbortSignal): Promise<Answer<Result>>;
}

/** The event's tenant, the signal that ends work on it, and the record of its waits. */
export interface Asker {
  readonly tenant: string;
  readonly signal: AbortSignal;
  readonly waits: Waiting;
}

export interface Paid<Result> {
  readonly result: Result;
  /** Its cost this time: nothing when the result was known. */
  readonly use: ModelUse;
  /** The `extra` to store with the outcome; missing when the table has the result already. */
  readonly extra?: PaidResult;
}

export interface PaidCallsOptions<Result> {
  readonly stage: string;
  readonly gate: ProviderGate;
  readonly cache: ResultCache;
  /** Reads a stored result; one that does not fit comes from older code, and is an error. */
  readonly schema: z.ZodType<Result>;
  /** A call that takes longer is an outage, unless others are answered meanwhile. */
  readonly timeoutMs: number;
}

const NOTHING: ModelUse['usage'] = { calls: 0, input_tokens: 0, output_tokens: 0 };

/**
 * Calls a paid service, within the budget of each tenant and the rate limit of the service, and never
 * twice: a question that was asked before, or is being asked now, costs nothing.
 */
export class PaidCalls<Result> {
  readonly #options: PaidCallsOptions<Result>;
  readonly #limit: CallLimit;

  constructor(options: PaidCallsOptions<Result>) {
    this.#options = options;
    this.#limit = new CallLimit(options.timeoutMs);
  }

  /** @throws ProviderError | BudgetSpent, which a handler passes on; TypeError when a cost is no amount */
  async ask(question: Question<Result>, asker: Asker): Promise<Paid<Result>> {
    const { stage, cache, schema } = this.#options;
    const startedAt = performance.now();
    const key = resultKey(stage, ...question.key);
    let made: Answer<Result> | undefined;
    const make = async (waits: Waiting): Promise<string> => {
      const { tenant, signal } = asker;
      made = await this.#call(question, { tenant, signal, waits });
      return JSON.stringify(made.result);
    };
    const { result, isStored } = await cache.resolve(key, asker.signal, make, asker.waits);
    const { usage = NOTHING, costUsd = 0 } = made ?? {};
    return {
      result: made === undefined ? schema.parse(JSON.parse(result)) : made.result,
      use: {
        usage,
        cost_usd: costUsd,
        duration_ms: Math.round((performance.now() - startedAt) * 1_000) / 1_000,
        cached: made === undefined,
      },
      ...(isStored ? {} : { extra: { key, result } }),
    };
  }

  /** Stores the extras of outcomes, in the transaction that records them. */
  readonly persist = async (db: Queryable, extras: readonly PaidResult[]): Promise<void> => {
    await storeResults(db, this.#options.stage, extras);
  };

  /** Makes one call, within the budget of the tenant and the rate limit of the service. */
  async #call(
    question: Question<Result>,
    { tenant, signal, waits }: Asker,
  ): Promise<Answer<Result>> {
    const { gate } = this.#options;
    const { expected = ZERO } = question;
    // What was spent is read in the database: a wait for it is no time that the call takes.
    const endOfWait = waits?.begin();
    const reservation = await gate.reserve(tenant, expected).finally(endOfWait);
    let answer: Answer<Result>;
    try {
      answer = await gate.call(
        async () => await this.#limit.run((ending) => question.call(ending), signal),
        {
          tokens: expected.tokens,
          tookTokens: (made) =>
            faultOfAnswer(made) === undefined ? tokensOf(made) : expected.tokens,
          signal,
          waits,
        },
      );
    } catch (error) {
      const use = error instanceof ProviderError ? error.use : undefined;
      reservation.settle(use && { tokens: tokensOf(use), usd: use.cost_usd });
      throw error;
    }
    const fault = faultOfAnswer(answer);
    if (fault !== undefined) {
      // The service answered, and wants its money: how much is not known.
      reservation.settle(expected);
      throw new TypeError(`the cost of an answer: ${fault}`);
    }
    reservation.settle({ tokens: tokensOf(answer), usd: answer.costUsd });
    return answer;
  }
}

function faultOfAnswer({ usage, costUsd }: Answer<unknown>): string | undefined {
  return faultOfUse({ usage, cost_usd: costUsd, duration_ms: 0 });
}

function tokensOf({ usage }: Pick<ModelUse, 'usage'>): number {
  return usage.input_tokens + usage.output_tokens;
}
