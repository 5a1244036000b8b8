import { isAmount } from './model-use.ts';

/** The actual or expected cost of a call. */
export interface Cost {
  readonly tokens: number;
  readonly usd: number;
}

export const ZERO: Cost = { tokens: 0, usd: 0 };

/** Whether a cost can be added to others. */
export function isCost({ tokens, usd }: Cost): boolean {
  return isAmount(tokens) && isAmount(usd);
}

/** @throws TypeError */
export function mustBeCost(expected: Cost): void {
  if (isCost(expected)) return;
  const { tokens, usd } = expected;
  throw new TypeError(`a call cannot be expected to cost ${tokens} tokens and $${usd}`);
}

export function sum(a: Cost, b: Cost, sign: 1 | -1): Cost {
  return { tokens: a.tokens + sign * b.tokens, usd: a.usd + sign * b.usd };
}
