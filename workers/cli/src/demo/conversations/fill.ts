import type { Person } from './person.ts';
import type { Random } from './random.ts';
import {
  AILMENTS,
  BOOKS,
  DISHES,
  FIRST_NAMES,
  GIFTS,
  MONTHS,
  PLACES,
  PROJECTS,
  WEEKDAYS,
} from './words.ts';

/** The values that fill the slots of a sentence. */
export type Slots = Readonly<Record<string, string>>;

/**
 * The person's slots, and slots with a new value each time. They are drawn once per topic, so that the
 * user's words and the assistant's notes agree.
 */
export function drawSlots(random: Random, person: Person): Slots {
  return {
    ...person,
    place: random.pick(PLACES),
    years: String(random.whole(2, 14)),
    year: String(random.whole(2011, 2023)),
    month: random.pick(MONTHS),
    weekday: random.pick(WEEKDAYS),
    hour: String(random.whole(8, 19)),
    number: String(random.whole(15, 480)),
    friend: random.pick(FIRST_NAMES.filter((name) => name !== person.first)),
    project: random.pick(PROJECTS),
    book: random.pick(BOOKS),
    ailment: random.pick(AILMENTS),
    gift: random.pick(GIFTS),
    otherDish: random.pick(DISHES),
  };
}

/**
 * Picks one of the templates and fills its slots.
 * @throws RangeError for a slot without a value: a mistake in the templates
 */
export function sentence(random: Random, templates: readonly string[], slots: Slots): string {
  const filled = random.pick(templates).replaceAll(/\{(\w+)\}/g, (_, slot: string) => {
    const value = slots[slot];
    if (value === undefined) throw new RangeError(`nothing fills the slot ${slot}`);
    return value;
  });
  return filled.replaceAll(/\ba ([aeio])/g, 'an $1');
}
