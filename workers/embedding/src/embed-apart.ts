import type { ModelUse } from '@memfleet/events';
import { ProviderError } from '@memfleet/models';
import type { Embedded } from '@memfleet/recall';
import pLimit from 'p-limit';
import { shares, total } from './shares.ts';

/** The outcome for one text of a batch. */
export type Attempt =
  | { readonly ok: true; readonly vector: Float32Array; readonly use: ModelUse }
  | { readonly ok: false; readonly error: unknown };

type Call = (texts: readonly string[]) => Promise<Embedded>;

/** Concurrent calls for single texts. */
const PARALLEL = 8;
/** After this many failures without a success the service is to blame, and more calls are wasted. */
const PATIENCE = 8;

/**
 * Embeds a batch; when the service rejects it as a whole, embeds each text alone. So the neighbours of a
 * faulty text get their vectors after one further call each, in parallel. (Repeated halving took 12 calls
 * instead of 64 for one such text in 64, but one after the other, and texts near the fault were sent up
 * to six times.) No text is to blame for outages and limits: then the batch is not split, and no further
 * call is made.
 *
 * @returns one attempt per text, in order; it never throws
 */
export async function embedApart(call: Call, texts: readonly string[]): Promise<Attempt[]> {
  const together = await embed(call, texts);
  if (together.ok) return together.attempts;
  const { error } = together;
  if (texts.length === 1 || !isFaultOfText(error)) return texts.map(() => ({ ok: false, error }));
  const attempts = await embedEach(call, texts);
  return accountingFor(attempts, together.use);
}

async function embedEach(call: Call, texts: readonly string[]): Promise<Attempt[]> {
  const limit = pLimit(PARALLEL);
  let failures = 0;
  let hasSucceeded = false;
  let end: unknown;
  return await Promise.all(
    texts.map((text) =>
      limit(async (): Promise<Attempt> => {
        if (end !== undefined) return { ok: false, error: end };
        const { ok, attempts } = await embed(call, [text]);
        const [attempt] = attempts;
        if (attempt === undefined) throw new Error('an attempt is missing');
        if (ok) hasSucceeded = true;
        if (attempt.ok) return attempt;
        failures += 1;
        if (!isFaultOfText(attempt.error)) end ??= attempt.error;
        else if (!hasSucceeded && failures >= PATIENCE) end ??= rejectsAll(failures);
        return attempt;
      }),
    ),
  );
}

type Embedding =
  | { readonly ok: true; readonly attempts: Attempt[] }
  | {
      readonly ok: false;
      readonly attempts: Attempt[];
      readonly error: unknown;
      /** A rejected call is a call too, and may have been paid for. */
      readonly use: ModelUse;
    };

/** One call. */
async function embed(call: Call, texts: readonly string[]): Promise<Embedding> {
  const startedAt = performance.now();
  const took = (): number => performance.now() - startedAt;
  try {
    const { vectors, usage, costUsd } = await call(texts);
    const uses = shares({ usage, cost_usd: costUsd, duration_ms: took() }, texts);
    return { ok: true, attempts: uses.map((use, index) => attemptOf(vectors[index], use)) };
  } catch (error) {
    const rejected = {
      usage: { calls: 1, input_tokens: 0, output_tokens: 0 },
      cost_usd: 0,
      duration_ms: took(),
      cached: false,
    };
    const use = (error instanceof ProviderError ? error.use : undefined) ?? rejected;
    return { ok: false, attempts: texts.map(() => ({ ok: false, error })), error, use };
  }
}

function attemptOf(vector: Float32Array | undefined, use: ModelUse): Attempt {
  return vector === undefined
    ? { ok: false, error: new ProviderError('invalid_output', 'a vector is missing') }
    : { ok: true, vector, use };
}

/** One text accounts for the shared call: the first that has a vector, or else the first. */
function accountingFor(attempts: readonly Attempt[], lost: ModelUse): Attempt[] {
  const place = Math.max(
    0,
    attempts.findIndex(({ ok }) => ok),
  );
  return attempts.map((attempt, index) => {
    if (index !== place) return attempt;
    if (attempt.ok) return { ...attempt, use: total([attempt.use, lost]) };
    const { error } = attempt;
    if (!(error instanceof ProviderError)) return attempt;
    return {
      ok: false,
      error: error.withUse(total([lost, ...(error.use === undefined ? [] : [error.use])])),
    };
  });
}

/** A wrong answer, or a rejected request: one text may be to blame for all. */
function isFaultOfText(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    (error.errorClass === 'invalid_output' || error.errorClass === 'invalid_input')
  );
}

/** Nothing is known about texts that were not sent: they are retried. */
function rejectsAll(count: number): ProviderError {
  return new ProviderError(
    'transient',
    `not called: the service rejected ${count} texts, and accepted none`,
  );
}
