import type { StoredLetter } from '@memfleet/stages';
import { grouped } from '../words.ts';

/** Counts letters by outcome and by the reason they were parked for. */
export class Tally<Fate extends string> {
  readonly #fates: Map<Fate, number>;
  readonly #reasons = new Map<string, number>();
  #total = 0;

  constructor(fates: readonly Fate[]) {
    this.#fates = new Map(fates.map((fate) => [fate, 0]));
  }

  count(fate: Fate, { reason }: StoredLetter): void {
    this.#total += 1;
    this.#fates.set(fate, this.of(fate) + 1);
    this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + 1);
  }

  get total(): number {
    return this.#total;
  }

  of(fate: Fate): number {
    return this.#fates.get(fate) ?? 0;
  }

  get figures(): Readonly<Record<Fate, number>> {
    return Object.fromEntries(this.#fates) as Record<Fate, number>;
  }

  get byReason(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#reasons);
  }

  /** " (invalid_output 12, invalid_event 3)", or nothing. */
  get inWords(): string {
    if (this.#reasons.size === 0) return '';
    const parts = [...this.#reasons].map(([reason, count]) => `${reason} ${grouped(count)}`);
    return ` (${parts.join(', ')})`;
  }
}
