import type { ModelUse } from '@memfleet/events';

/**
 * Divides the use of a call among its texts, so that the parts add up to the whole: tokens, cost and time
 * by the length of the texts; the call itself counts for the first.
 */
export function shares(use: Omit<ModelUse, 'cached'>, texts: readonly string[]): ModelUse[] {
  const characters = texts.reduce((sum, { length }) => sum + length, 0);
  const { usage } = use;
  let seen = 0;
  let before = { input: 0, output: 0, cost: 0, duration: 0 };
  return texts.map((text, index) => {
    seen += text.length;
    const isLast = index === texts.length - 1;
    const part = isLast ? 1 : characters === 0 ? (index + 1) / texts.length : seen / characters;
    // Uses differences of running sums, so that rounding errors cannot add up.
    const until = {
      input: Math.round(usage.input_tokens * part),
      output: Math.round(usage.output_tokens * part),
      cost: use.cost_usd * part,
      duration: use.duration_ms * part,
    };
    const share: ModelUse = {
      usage: {
        calls: index === 0 ? usage.calls : 0,
        input_tokens: until.input - before.input,
        output_tokens: until.output - before.output,
      },
      cost_usd: until.cost - before.cost,
      duration_ms: until.duration - before.duration,
      cached: false,
    };
    before = until;
    return share;
  });
}

/** No call was made: the vector existed, or another event's call made it. */
export const FREE: ModelUse = {
  usage: { calls: 0, input_tokens: 0, output_tokens: 0 },
  cost_usd: 0,
  duration_ms: 0,
  cached: true,
};

/** The combined use of several texts of one event. */
export function total(uses: readonly ModelUse[]): ModelUse {
  const sum = (of: (use: ModelUse) => number): number =>
    uses.reduce((all, use) => all + of(use), 0);
  return {
    usage: {
      calls: sum((use) => use.usage.calls),
      input_tokens: sum((use) => use.usage.input_tokens),
      output_tokens: sum((use) => use.usage.output_tokens),
    },
    cost_usd: sum((use) => use.cost_usd),
    duration_ms: sum((use) => use.duration_ms),
    cached: uses.every((use) => use.cached),
  };
}
