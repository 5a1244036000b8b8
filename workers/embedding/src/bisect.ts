import type { ModelUse } from '@memfleet/events';
import type { Embedded } from '@memfleet/recall';
import { ProviderError } from '@memfleet/runtime';
import { shares, total } from './shares.ts';

/** What became of one text of a batch. */
export type Attempt =
  | { readonly ok: true; readonly vector: Float32Array; readonly use: ModelUse }
  | { readonly ok: false; readonly error: unknown };

/** Failures without one success, beyond those it takes to reach a single text. */
const MORE_FAILURES = 4;
const NOTHING: ModelUse = {
  usage: { calls: 0, input_tokens: 0, output_tokens: 0 },
  cost_usd: 0,
  duration_ms: 0,
  cached: false,
};

/**
 * Embeds a batch; where the service rejects it as a whole, halves of it, until the text that is at
 * fault stands alone and its neighbours have their vectors. Outages and limits are nobody's fault:
 * then nothing is split, and no further call is made.
 *
 * @returns one attempt per text, in order; it never throws
 */
export async function embedApart(
  call: (texts: readonly string[]) => Promise<Embedded>,
  texts: readonly string[],
): Promise<Attempt[]> {
  const attempts: Attempt[] = [];
  let failures = 0;
  let lost: ModelUse = NOTHING;
  let hasSucceeded = false;
  let end: { readonly error: unknown } | undefined;
  const patience = Math.ceil(Math.log2(texts.length + 1)) + MORE_FAILURES;

  const embed = async (part: readonly string[]): Promise<void> => {
    if (end !== undefined) {
      const { error } = end;
      attempts.push(...part.map(() => ({ ok: false as const, error })));
      return;
    }
    const startedAt = performance.now();
    try {
      const { vectors, usage, costUsd } = await call(part);
      const duration = performance.now() - startedAt;
      const use = { usage, cost_usd: costUsd, duration_ms: duration, cached: false };
      // Rejected calls are calls too; the next that succeeds accounts for them, and for what they cost.
      const counted = total([use, { ...lost, usage: { ...lost.usage, calls: failures } }]);
      failures = 0;
      lost = NOTHING;
      hasSucceeded = true;
      attempts.push(...attemptsOf(vectors, shares(counted, part)));
    } catch (thrown) {
      failures += 1;
      if (thrown instanceof ProviderError) lost = total([lost, thrown.takeUse() ?? NOTHING]);
      const isSomeText = isFaultOfText(thrown);
      // When no half of a half works either, it is the service, and more calls only cost.
      const isEnd = !isSomeText || (!hasSucceeded && failures >= patience);
      const isSplit = !isEnd && part.length > 1;
      const error = isSplit ? thrown : costing(thrown, lost);
      if (!isSplit) lost = NOTHING;
      if (isEnd) end = { error };
      if (!isSomeText || part.length === 1) {
        attempts.push(...part.map(() => ({ ok: false as const, error })));
        return;
      }
      const middle = Math.ceil(part.length / 2);
      await embed(part.slice(0, middle));
      await embed(part.slice(middle));
    }
  };

  await embed(texts);
  return attempts;
}

function attemptsOf(vectors: readonly Float32Array[], uses: readonly ModelUse[]): Attempt[] {
  return uses.map((use, index) => {
    const vector = vectors[index];
    return vector === undefined
      ? { ok: false, error: new ProviderError('invalid_output', 'a vector is missing') }
      : { ok: true, vector, use };
  });
}

function costing(error: unknown, use: ModelUse): unknown {
  const isFree = use.usage.input_tokens + use.cost_usd === 0;
  return error instanceof ProviderError && !isFree ? error.withUse(use) : error;
}

/** A wrong answer, or a refusal of what was sent: one text may be to blame for all. */
function isFaultOfText(error: unknown): boolean {
  return (
    error instanceof ProviderError &&
    (error.errorClass === 'invalid_output' || error.errorClass === 'invalid_input')
  );
}
