import { z } from 'zod';
import { storableText } from '../text.ts';

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER);

/** Which program, and which model behind it, made the result. */
export const producer = z.looseObject({
  name: storableText(256),
  version: storableText(64),
  model: storableText(256).optional(),
});

/** The use of a model: shared by every event that a model call leads to. */
export const modelUse = {
  usage: z.looseObject({ calls: count, input_tokens: count, output_tokens: count }),
  cost_usd: z.number().min(0).max(1e9),
  duration_ms: z.number().min(0).max(1e12),
  /** True when equal content had been paid for before, so that no call was made. */
  cached: z.boolean(),
};

export type Producer = z.output<typeof producer>;
export interface ModelUse {
  usage: { calls: number; input_tokens: number; output_tokens: number };
  cost_usd: number;
  duration_ms: number;
  cached: boolean;
}

/**
 * The event that was processed; the id alone is not enough, since sources choose their own ids. Its
 * position in the log shows which of two results of one memory belongs to the newer content, in any
 * order of processing.
 */
export const cause = z.looseObject({
  source: storableText(256),
  id: z.uuid(),
  sequence: z.int().min(1).max(Number.MAX_SAFE_INTEGER),
});
