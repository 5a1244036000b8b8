import type { ModelUse } from '@memfleet/events';
import type { StageContext } from '@memfleet/stages';

/** The vector of a text, or a reference to the stored one. */
export interface TextVector {
  readonly digest: string;
  /** The vector to store with the result; undefined when it is in the table. */
  readonly vector: Float32Array | undefined;
  readonly use: ModelUse;
}

/** The event of a text: who pays, the signal that ends the work, the attempt, and its waits. */
export interface Asker extends Pick<StageContext, 'signal' | 'attempt' | 'waits'> {
  readonly tenant: string;
}

/** Texts that arrive within this time are looked up together, such as those of one claim. */
export const TOGETHER_MS = 1;

/**
 * Texts → vectors, for many events at a time. Vectors in the table are found there, and equal texts at the
 * same time share one vector.
 */
export interface TextVectors {
  /** @throws ProviderError, the database's error, or the reason of the signal */
  of(text: string, event: Asker): Promise<TextVector>;
}
