import { isAmount } from './model-use.ts';

/** The actual or expected cost of a call. */
export interface Cost {
  readonly tokens: number;
  readonly usd: number;
}

/** Whether a cost can be added to others. */
export function isCost({ tokens, usd }: Cost): boolean {
  return isAmount(tokens) && isAmount(usd);
}

export function sum(a: Cost, b: Cost, sign: 1 | -1): Cost {
  return { tokens: a.tokens + sign * b.tokens, usd: a.usd + sign * b.usd };
}
