import type { ExtractedEntity, ExtractedFact } from '@memfleet/events';
import type { Cost } from '@memfleet/models';

/** The part of an event that a provider sees: the text, and the context needed to read it correctly. */
export interface ExtractionInput {
  readonly content: string;
  /** The kind of memory (`message`, `note`, …), as in `memory.created`. */
  readonly kind?: string;
  /** The person who says "I": the name if known, else the role. */
  readonly speaker?: string;
  /** When it was said, RFC 3339 with offset. Only its day matters: see `cacheKey`. */
  readonly time: string;
}

export interface ExtractionOutput {
  /** At most MAX_FACTS; each satisfies `extractedFact`. */
  readonly facts: ExtractedFact[];
  /** At most MAX_ENTITIES; each satisfies `extractedEntity`. */
  readonly entities: ExtractedEntity[];
  /** Why the result is empty; always set when facts and entities are both empty. */
  readonly emptyReason?: string;
  readonly usage: { calls: number; input_tokens: number; output_tokens: number };
  readonly costUsd: number;
}

/**
 * Extracts facts and entities from a text. For any text, the output satisfies the schema of
 * `memory.extracted`; a failure is thrown as a `ProviderError`, never returned as "nothing found".
 */
export type Extractor = LocalExtractor | RemoteExtractor;

interface NamedExtractor {
  readonly name: string;
  /** Changes whenever the same input may give another result: part of dedupe and cache keys. */
  readonly version: string;
  readonly model?: string;
}

/** Free and immediate. */
export interface LocalExtractor extends NamedExtractor {
  readonly remote: false;
  extract(input: ExtractionInput): ExtractionOutput;
}

/** Calling it costs money or minutes. */
export interface RemoteExtractor extends NamedExtractor {
  readonly remote: true;
  /** The estimated cost of a call. */
  estimate?(input: ExtractionInput): Cost;
  extract(input: ExtractionInput, signal: AbortSignal): Promise<ExtractionOutput>;
}

/**
 * Everything that a result depends on, as one string to hash: equal keys, equal results. Content alone is
 * not enough, since "I moved to Lisbon" means something else from another speaker, and "yesterday" on
 * another day. The day counts only when the text has relative times, so that equal texts of different
 * days are still paid for once.
 */
export function cacheKey(input: ExtractionInput): string {
  const day = speaksOfRelativeTime(input.content) ? dayOf(input.time) : '';
  return JSON.stringify([input.kind ?? '', input.speaker ?? '', day, input.content]);
}

/** The day of a statement, in the speaker's offset: `2025-03-01`, or ''. */
export function dayOf(time: string): string {
  const day = time.slice(0, 10);
  return /^\d{4}-\d{2}-\d{2}$/.test(day) ? day : '';
}

const RELATIVE_TIME =
  /\b(?:today|tonight|yesterday|tomorrow|ago|(?:mon|tues|wednes|thurs|fri|satur|sun)days?|(?:last|next|this|past|coming|since|until)\s+\w+|in\s+\w+\s+(?:days?|weeks?|months?|years?))\b/i;

function speaksOfRelativeTime(content: string): boolean {
  return RELATIVE_TIME.test(content);
}
