import type { RecallBounds } from './query.ts';
import type { Scope } from './scope.ts';

/** The nearest vector of a memory: that of its content, or of one of its facts. */
export interface Nearest {
  readonly memory: string;
  readonly target: 'content' | 'fact';
  /** Which fact; 0 for the content. */
  readonly ordinal: number;
  /** Cosine similarity, -1 to 1. */
  readonly similarity: number;
}

export interface NearestQuery {
  readonly scope: Scope;
  /** The approximate number of the tenant's memories. */
  readonly tenantRows: number;
  readonly space: string;
  /** The query's vector, of length 1. */
  readonly vector: Float32Array;
  /** Vectors less similar than this are left out. */
  readonly above: number;
  readonly limit: number;
  /** Once this many are found, the search looks no further. */
  readonly enough: number;
  readonly bounds: RecallBounds;
}

export interface Compared {
  /** Vectors in the scope, one or more per memory, in any order. */
  readonly vectors: readonly Nearest[];
  /** The bound that stopped it from looking at more, where there was more. */
  readonly bound?: 'comparedVectors' | 'indexedVectors';
}
