import type { Limits, LogNames } from './append.ts';

export interface PublisherOptions {
  readonly log?: LogNames;
  readonly limits?: Partial<Limits>;
  /** How long the server may take to confirm one attempt, in ms. */
  readonly ackTimeoutMs?: number;
  /** Attempts while the outcome is unknown; each bears the same Msg-Id. */
  readonly attempts?: number;
}

export interface AppendOptions {
  /**
   * The memory's version this append was decided on: the stream sequence of its last event, 0 when
   * it has none. When the memory has moved on, nothing is stored.
   */
  readonly expectedVersion?: number;
  /** Set when the time was filled in by the sender: a retry may then bear another. */
  readonly timeIsAssigned?: boolean;
}

export interface Appended {
  readonly id: string;
  /** Position in the log; also the memory's new version, unless `duplicate`. */
  readonly sequence: number;
  /** True when the same event was in the log already; `sequence` is where. */
  readonly duplicate: boolean;
}

/** One result per event of `appendAll`, in the order given: appended, or why not. */
export type AppendResult<Item = unknown> =
  | { readonly item: Item; readonly ok: true; readonly appended: Appended }
  | { readonly item: Item; readonly ok: false; readonly error: unknown };
