import type { Limits, LogNames } from './append.ts';

export interface PublisherOptions {
  readonly log?: LogNames;
  readonly limits?: Partial<Limits>;
  /** How long the server may take to confirm one attempt, in ms. */
  readonly ackTimeoutMs?: number;
  /** Attempts while the outcome is unknown; each has the same Msg-Id. */
  readonly attempts?: number;
}

export interface AppendOptions {
  /**
   * The memory's version this append was decided on: the stream sequence of its last event, 0 when
   * it has none. When the memory has moved on, nothing is stored.
   */
  readonly expectedVersion?: number;
  /** Set when the sender filled in the time: a retry may then carry a different one. */
  readonly timeIsAssigned?: boolean;
}

export interface Appended {
  readonly id: string;
  /** Position in the log; also the memory's new version, unless `duplicate`. */
  readonly sequence: number;
  /** True when the same event was already in the log, at `sequence`. */
  readonly duplicate: boolean;
}

/** One result per event of `appendAll`, in the given order: appended, or the reason why not. */
export type AppendResult<Item = unknown> =
  | { readonly item: Item; readonly ok: true; readonly appended: Appended }
  | { readonly item: Item; readonly ok: false; readonly error: unknown };
