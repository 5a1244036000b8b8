import { isUnclear } from '../admission/output-gate.ts';
import type { PublishAnswer } from './publish-derived.ts';

/** Results that are refused for good; one that is forgotten closes the gate once more. */
const MOST_REMEMBERED = 10_000;

/**
 * Tells results that the log or the dead letters refuse for their own sake from a place that refuses
 * all. What is refused where others are taken is to blame itself, and so it is when it comes again: it
 * must not stop the others each time.
 */
export class Blame<Item> {
  readonly #nameOf: (item: Item) => string;
  readonly #unpublishable = new Set<string>();

  constructor(nameOf: (item: Item) => string) {
    this.#nameOf = nameOf;
  }

  /** @param isProven whether the place has just taken something else */
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
