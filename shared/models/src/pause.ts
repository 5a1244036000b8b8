/** Why a stage pulls no events, or makes no calls, at the moment. */
export interface Pause {
  readonly cause: string;
  /** On the clock of performance.now(). */
  readonly untilMs: number;
}
