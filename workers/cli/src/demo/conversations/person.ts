import type { Random } from './random.ts';
import {
  ALLERGENS,
  CITIES,
  DESTINATIONS,
  DISHES,
  DRINKS,
  EMPLOYERS,
  HOBBIES,
  INSTRUMENTS,
  JOBS,
  LANGUAGES,
  MONTHS,
  PET_NAMES,
  PETS,
  RELATIVES,
} from './words.ts';

/** A person who talks with an assistant, and the facts that fill the slots of the sentences. */
export interface Person {
  readonly user: string;
  readonly first: string;
  readonly name: string;
  readonly city: string;
  /** The city they move to during the conversations. */
  readonly nextCity: string;
  readonly job: string;
  readonly employer: string;
  readonly nextEmployer: string;
  readonly drink: string;
  readonly nextDrink: string;
  readonly dish: string;
  readonly allergen: string;
  readonly hobby: string;
  readonly instrument: string;
  readonly language: string;
  readonly pet: string;
  readonly petName: string;
  readonly relative: string;
  readonly relativeCity: string;
  readonly destination: string;
  readonly travelMonth: string;
  readonly birthday: string;
}

export function makePerson(random: Random, first: string, last: string): Person {
  const [city = '', nextCity = '', relativeCity = ''] = random.shuffled(CITIES);
  const [employer = '', nextEmployer = ''] = random.shuffled(EMPLOYERS);
  const [drink = '', nextDrink = ''] = random.shuffled(DRINKS);
  return {
    user: `${first}-${last}`.toLowerCase(),
    first,
    name: `${first} ${last}`,
    city,
    nextCity,
    job: random.pick(JOBS),
    employer,
    nextEmployer,
    drink,
    nextDrink,
    dish: random.pick(DISHES),
    allergen: random.pick(ALLERGENS),
    hobby: random.pick(HOBBIES),
    instrument: random.pick(INSTRUMENTS),
    language: random.pick(LANGUAGES),
    pet: random.pick(PETS),
    petName: random.pick(PET_NAMES),
    relative: random.pick(RELATIVES),
    relativeCity,
    destination: random.pick(DESTINATIONS),
    travelMonth: random.pick(MONTHS),
    birthday: `${random.pick(MONTHS)} ${random.whole(1, 28)}`,
  };
}
