import { Random } from '../support/random.ts';

const TOPICS = 1_000;
const WORDS_OF_TOPIC = 40;
const VOCABULARY = 20_000;
const COMMON = 300;

/** Texts of a thousand topics: most words of a text belong to its topic, some are common to all. */
export class GeneratedTexts {
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** @param topic drawn when it is not given */
  text(words: number, topic = this.#random.below(TOPICS)): string {
    const chosen = Array.from({ length: words }, () => {
      const next = this.#random.next();
      if (next < 0.3) return wordOf(this.#skewed(COMMON));
      // Words of a topic are spread over the vocabulary, and some are shared with other topics.
      return wordOf(
        COMMON + ((topic * 7_919 + this.#skewed(WORDS_OF_TOPIC) * 104_729) % VOCABULARY),
      );
    });
    return `${chosen.join(' ')}.`;
  }

  /** A few are drawn often, most rarely. */
  #skewed(count: number): number {
    return Math.floor(this.#random.next() ** 2 * count);
  }
}

const SYLLABLES = [
  'ka',
  'lo',
  'mi',
  'ter',
  'sa',
  'no',
  'bri',
  'du',
  'fel',
  'gra',
  'hu',
  'jen',
  'po',
  'qui',
  'ra',
  'sto',
];

/** 0 to 65,535: a word of four syllables of its own. */
function wordOf(index: number): string {
  return [12, 8, 4, 0].map((bits) => SYLLABLES[(index >> bits) & 15] ?? '').join('');
}
