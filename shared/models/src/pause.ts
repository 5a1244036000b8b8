/** Why nothing is pulled, or called, at the moment. */
export interface Pause {
  readonly cause: string;
  /** On the clock of performance.now(). */
  readonly untilMs: number;
}
