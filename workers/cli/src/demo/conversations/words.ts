/** The words that conversations are made of. Names of people are combined at random and mean nobody. */

export const FIRST_NAMES = `Mira Tomas Ines Oskar Leila Jonas Priya Dario Hanna Kofi Amara Felix
  Noor Stefan Carmen Ravi Elin Marco Zofia Idris Nadia Pavel Greta Mateo`.split(/\s+/);

export const LAST_NAMES = `Larkfield Brightwater Fernhollow Quillmere Hazelwick Windrose Marrowby
  Ashgrove Thistledown Pebblecroft Ravenscar Willowmarsh`.split(/\s+/);

export const CITIES =
  `Lisbon Bergen Krakow Ghent Porto Turin Leipzig Malaga Tartu Galway Lyon Bristol
  Utrecht Valencia Graz Bologna Aarhus Seville`.split(/\s+/);

export const DESTINATIONS =
  `Kyoto Reykjavik Marrakesh Cusco Hanoi Zanzibar Tbilisi Oaxaca Queenstown
  Petra Luang-Prabang Kathmandu`
    .split(/\s+/)
    .map((name) => name.replace('-', ' '));

export const EMPLOYERS = [
  'Northlight Labs',
  'Copper Kettle Bakery',
  'Harbor Bridge Clinic',
  'Blue Heron Logistics',
  'Atlas Print Works',
  'Silverleaf Insurance',
  'Tidewater Energy',
  'Paper Lantern Books',
];

export const JOBS = [
  'nurse',
  'software engineer',
  'architect',
  'teacher',
  'data analyst',
  'pastry chef',
  'translator',
  'carpenter',
  'photographer',
  'product manager',
  'physiotherapist',
  'accountant',
];

export const DRINKS = [
  'green tea',
  'black coffee',
  'oat milk latte',
  'ginger tea',
  'sparkling water',
];
export const DISHES = [
  'mushroom risotto',
  'vegetable curry',
  'tomato soup',
  'lemon pasta',
  'bean chili',
  'potato gratin',
  'pumpkin stew',
  'spinach lasagna',
];
export const ALLERGENS = ['peanuts', 'shellfish', 'penicillin', 'walnuts', 'sesame', 'cat hair'];
export const HOBBIES = [
  'climbing',
  'pottery',
  'birdwatching',
  'chess',
  'sailing',
  'gardening',
  'yoga',
];
export const INSTRUMENTS = ['cello', 'accordion', 'piano', 'guitar', 'flute', 'drums'];
export const LANGUAGES = ['Portuguese', 'Japanese', 'Finnish', 'Arabic', 'Italian', 'Polish'];
export const PETS = ['dog', 'cat', 'parrot', 'rabbit'] as const;
export const PET_NAMES = ['Biscuit', 'Pepper', 'Juniper', 'Waffles', 'Mango', 'Clover', 'Pixel'];
export const RELATIVES = ['sister', 'brother', 'mother', 'uncle', 'cousin', 'grandmother'];
export const MONTHS = `January February March April May June July August September October November
  December`.split(/\s+/);
export const WEEKDAYS = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ');
export const PLACES = [
  'the old harbor',
  'the botanical garden',
  'the central station',
  'the market hall',
  'the university library',
  'the lighthouse',
];
export const PROJECTS = [
  'the museum website',
  'the patient portal',
  'the spring catalogue',
  'the warehouse move',
  'the annual report',
  'the booking app',
];
export const BOOKS = [
  'The Salt Road',
  'A Winter of Foxes',
  'Letters from the Delta',
  'The Clockmaker of Brno',
  'Seven Small Islands',
];
export const AILMENTS = [
  'a sore knee',
  'a bad cold',
  'back pain',
  'a headache',
  'a sprained ankle',
];
export const GIFTS = [
  'a watercolor set',
  'a cast iron pan',
  'a star map',
  'hiking boots',
  'a record player',
];
