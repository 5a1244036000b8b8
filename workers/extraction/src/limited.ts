import { CallLimit } from '@memfleet/models';
import type { RemoteExtractor } from './extractor.ts';

/**
 * Of an event's time, the part that its call may take. The wait for the rate limit does not count, for
 * those who wait for the call of another with the same content neither.
 */
const CALL_SHARE = 0.8;

/** The extractor, with an end to each of its calls before the deadline of the event. */
export function limited(extractor: RemoteExtractor, deadlineMs: number): RemoteExtractor {
  const limit = new CallLimit(deadlineMs * CALL_SHARE);
  return {
    ...extractor,
    extract: async (input, signal) =>
      await limit.run((ending) => extractor.extract(input, ending), signal),
  };
}
