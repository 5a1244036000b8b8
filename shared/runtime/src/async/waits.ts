/**
 * How long an event has waited for what is no work of its own: its turn under a rate limit, a look-up. Its
 * deadline is that much later: the deadline is there to end what hangs, and a call that may not be
 * made yet does not hang. Without it, an event whose calls take longer than the deadline together
 * (many facts, a low limit) would use up its attempts although every call of it succeeds. A wait has
 * an end of its own, which its beginner must see to.
 */
export class Waits {
  #open = 0;
  #since = 0;
  #overMs = 0;

  get totalMs(): number {
    return this.#overMs + (this.#open === 0 ? 0 : performance.now() - this.#since);
  }

  /** Waits that overlap count once. @returns what ends it; a second time changes nothing */
  begin(): () => void {
    if (this.#open === 0) this.#since = performance.now();
    this.#open += 1;
    let isOver = false;
    return () => {
      if (isOver) return;
      isOver = true;
      this.#open -= 1;
      if (this.#open === 0) this.#overMs += performance.now() - this.#since;
    };
  }
}

/** What can be told that a wait begins. */
export type Waiting = Pick<Waits, 'begin'>;

/** The waits of a call that several events wait for: each of them waits while the call does. */
export class SharedWaits implements Waiting {
  /** What ends the wait of a member that is in one. */
  readonly #members = new Set<{ readonly waits: Waiting; end: (() => void) | undefined }>();
  #open = 0;

  /** @returns what takes the event out again */
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

/** One wait for all of them. */
export function beginAll(waiting: readonly Waiting[]): () => void {
  const ends = waiting.map((one) => one.begin());
  return () => {
    for (const end of ends) end();
  };
}
