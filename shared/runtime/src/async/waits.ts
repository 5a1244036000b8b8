/**
 * How long an event has waited for something other than its own work: its turn under a rate limit, a
 * look-up. Its deadline moves by that time: the deadline ends calls that hang, and a call that may not be
 * made yet does not hang. Otherwise an event whose calls together take longer than the deadline (many
 * facts, a low limit) would use up its attempts although each call succeeds. The code that begins a wait
 * must make sure that it ends.
 */
export class Waits {
  #open = 0;
  #since = 0;
  #overMs = 0;
  #endedAt = Number.NEGATIVE_INFINITY;

  get totalMs(): number {
    return this.#overMs + (this.#open === 0 ? 0 : performance.now() - this.#since);
  }

  /** Overlapping waits count once. @returns a function that ends it; a second call changes nothing */
  begin(): () => void {
    if (this.#open === 0) this.#since = performance.now();
    this.#open += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#open -= 1;
      if (this.#open > 0) return;
      this.#endedAt = performance.now();
      this.#overMs += this.#endedAt - this.#since;
    };
  }

  /**
   * Counts a time in which the process did not run as a wait, without what the last wait, open or over,
   * counts already.
   */
  wasStopped(from: number, until: number): void {
    const to = this.#open > 0 ? Math.min(this.#since, until) : until;
    this.#overMs += Math.max(0, to - Math.max(from, this.#endedAt));
  }
}

/** Anything that records the beginning of a wait. */
export type Waiting = Pick<Waits, 'begin'>;

/** The waits of a call shared by several events: each event waits while the call does. */
export class SharedWaits implements Waiting {
  /** Each member, and the function that ends its current wait. */
  readonly #members = new Set<{ readonly waits: Waiting; end: (() => void) | undefined }>();
  #open = 0;

  /** @returns a function that removes the event again */
  join(waits: Waiting): () => void {
    const member = { waits, end: this.#open === 0 ? undefined : waits.begin() };
    this.#members.add(member);
    return () => {
      this.#members.delete(member);
      member.end?.();
    };
  }

  begin(): () => void {
    this.#open += 1;
    if (this.#open === 1) {
      for (const member of this.#members) member.end = member.waits.begin();
    }
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#open -= 1;
      if (this.#open > 0) return;
      for (const member of this.#members) {
        member.end?.();
        member.end = undefined;
      }
    };
  }
}

/** Begins one wait for all of them. */
export function beginAll(waiting: readonly Waiting[]): () => void {
  const ends = waiting.map((one) => one.begin());
  return () => {
    for (const end of ends) end();
  };
}
