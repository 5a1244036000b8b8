import { z } from 'zod';

/** Rules of our own: no network, no cost. */
export const localProvider = z.strictObject({ kind: z.literal('local') });

/** A service with an OpenAI-compatible protocol. */
export const service = {
  kind: z.literal('openai-compatible'),
  /** Everything before /chat/completions or /embeddings. */
  baseUrl: z.url({ protocol: /^https?$/ }),
  model: z.string().min(1),
  apiKey: z.string().min(1).optional(),
  /** Headers sent with every call, for gateways that require them. */
  headers: z.record(z.string(), z.string()).optional(),
};

export const price = z.number().min(0).max(1e6);

export const count = (min: number, max: number): z.ZodInt => z.int().min(min).max(max);
