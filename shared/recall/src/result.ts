import type { MemoryKind } from '@memfleet/events';

export interface RecallResult {
  /** Best first. */
  readonly hits: readonly RecallHit[];
  /** What a reader should know about this answer; may be empty. */
  readonly notes: readonly RecallNote[];
}

/** A memory that answers a query. */
export interface RecallHit {
  readonly memory: string;
  /** Score in the fused ranking: comparable within one answer only. */
  readonly score: number;
  /** Its place in the text ranking; absent where that did not find it. */
  readonly text?: TextMatch;
  /** Its place in the vector ranking; absent where no vector is near. */
  readonly vector?: VectorMatch;
  readonly content: string;
  /** The part of the content that answers best: one line, at most about 200 characters. */
  readonly snippet: string;
  /** The facts extracted from the content. */
  readonly facts: readonly string[];
  /** When it was said, or else first known. */
  readonly when: Date;
  /** From when it holds, if that is known. */
  readonly validFrom: Date | null;
  readonly revisedAt: Date | null;
  /** Null for a memory of which the log has only revisions; so is importance. */
  readonly kind: MemoryKind | null;
  readonly importance: number | null;
  readonly user: string | null;
  readonly agent: string | null;
  readonly session: string | null;
  readonly speaker: Speaker;
  /** The turns of its session around it, in the order in which they were said. */
  readonly context: {
    readonly before: readonly ContextTurn[];
    readonly after: readonly ContextTurn[];
  };
}

export interface TextMatch {
  /** From 1. */
  readonly rank: number;
  /** BM25 of its own words, plus the scores its neighbours lend. */
  readonly score: number;
  /** BM25 of its own words; 0 for a turn that only its neighbours brought. */
  readonly ownScore: number;
}

export interface VectorMatch {
  /** From 1. */
  readonly rank: number;
  /** Cosine similarity of its nearest vector, -1 to 1; null for a turn that its neighbours brought. */
  readonly similarity: number | null;
  /** The part of the memory that is nearest to the query. */
  readonly matched: 'content' | 'fact';
  /** The fact, when a fact matched. */
  readonly fact?: string;
}

export interface Speaker {
  readonly role: string | null;
  readonly name: string | null;
}

/** A memory next to a hit in its session. */
export interface ContextTurn {
  readonly memory: string;
  readonly content: string;
  readonly when: Date;
  readonly speaker: Speaker;
}

export interface RecallNote {
  readonly code: RecallNoteCode;
  /** One sentence. */
  readonly message: string;
}

export type RecallNoteCode =
  /** The embedder did not answer: only the words decided. */
  | 'EMBEDDER_AWAY'
  /** The tenant has too many matches of common words: those only added to the score of rarer ones. */
  | 'TEXT_BOUND_REACHED'
  /** The search compared only some of the vectors in the scope. */
  | 'VECTOR_BOUND_REACHED'
  /** No memory of this tenant has ever been seen. */
  | 'UNKNOWN_TENANT';
