import { isUnclear } from '../admission/output-gate.ts';
import type { PublishAnswer } from './publish-derived.ts';

/** Results that are refused for good. A forgotten one closes the gate once more. */
const MOST_REMEMBERED = 10_000;

/**
 * Distinguishes a result that the log or the dead letters refuse because of the result itself from a
 * place that refuses everything. A result refused while others are accepted is to blame itself. It is
 * still to blame when it is retried: it must not stop the others each time.
 */
export class Blame<Item> {
  readonly #nameOf: (item: Item) => string;
  readonly #unpublishable = new Set<string>();

  constructor(nameOf: (item: Item) => string) {
    this.#nameOf = nameOf;
  }

  /** @param isProven whether the place has just accepted something else */
  of(
    offered: ReadonlyMap<Item, PublishAnswer>,
    isProven: boolean,
  ): ReadonlyMap<Item, PublishAnswer> {
    const isTaking = isProven || [...offered.values()].includes('published');
    const answers = new Map<Item, PublishAnswer>();
    for (const [item, answer] of offered) {
      const name = this.#nameOf(item);
      const isItsOwn = isUnclear(answer) && (isTaking || this.#unpublishable.has(name));
      answers.set(item, isItsOwn ? 'unpublishable' : answer);
      if (answer === 'published') this.#unpublishable.delete(name);
      else if (isItsOwn) this.#remember(name);
    }
    return answers;
  }

  #remember(name: string): void {
    this.#unpublishable.add(name);
    if (this.#unpublishable.size <= MOST_REMEMBERED) return;
    const [oldest = ''] = this.#unpublishable;
    this.#unpublishable.delete(oldest);
  }
}
