import type { ModelUse } from '@memfleet/events';
import type { StageContext } from '@memfleet/stages';

/** The vector of a text, or where it is. */
export interface TextVector {
  readonly digest: string;
  /** To be stored with the result; undefined when it is in the table. */
  readonly vector: Float32Array | undefined;
  readonly use: ModelUse;
}

/** The event that a text is of: who pays, what ends the work, which try it is, what it waits for. */
export interface Asker extends Pick<StageContext, 'signal' | 'attempt' | 'waits'> {
  readonly tenant: string;
}

/** Texts of events that were claimed together are looked up together. */
export const TOGETHER_MS = 1;

/**
 * Texts → vectors, for many events at a time. What is in the table is found there, and equal texts
 * that come together have one vector between them.
 */
export interface TextVectors {
  /** @throws ProviderError, what the database throws, or the reason of the signal */
  of(text: string, event: Asker): Promise<TextVector>;
}
