/** The closed classes of English, as bits: a word's function in a clause rather than its meaning. */
export const Role = {
  /** Has no meaning at the start of a clause: "well", "yeah", "and". */
  opener: 1,
  /** May stand between subject and verb: "really", "just". */
  adverb: 1 << 1,
  /** am, is, are, was, were, be, been. */
  be: 1 << 2,
  /** have, has, had, do, does, did and the modals. */
  auxiliary: 1 << 3,
  preposition: 1 << 4,
  particle: 1 << 5,
  determiner: 1 << 6,
  /** Joins a clause that depends on another: "because", "which". */
  subordinate: 1 << 7,
  /** I, we, he, she, they, it, you, this, that, there … as subjects. */
  pronoun: 1 << 8,
  question: 1 << 9,
  /** May start a phrase of time. */
  time: 1 << 10,
  /** Takes a clause, not an object: "think", "hope". */
  hedge: 1 << 11,
  /** Not worth keeping as a verb of the speaker: "mean", "see". */
  chatter: 1 << 12,
  /** A kind of person or animal that one has: "sister", "dog". */
  relation: 1 << 13,
  /** Makes the rest a supposition: "if", "unless". */
  condition: 1 << 14,
  coordinator: 1 << 15,
  /** Makes a statement less certain: "maybe". */
  doubt: 1 << 16,
  honorific: 1 << 17,
  /** Has no meaning as the whole object: "it", "that". */
  empty: 1 << 18,
  female: 1 << 19,
  male: 1 << 20,
  pet: 1 << 21,
} as const;

const roles = new Map<string, number>();

function assign(role: number, list: string): void {
  for (const word of list.trim().split(/\s+/)) roles.set(word, (roles.get(word) ?? 0) | role);
}

assign(
  Role.opener,
  `yeah yes yep yup yea no nope nah oh ooh ah aw wow woah whoa well ok okay so and but also plus
  actually honestly lately recently currently anyway anyways hey hi hello thanks thx great cool nice
  awesome right sure haha lol hmm um uh ugh btw basically luckily sadly unfortunately fortunately
  finally personally besides however meanwhile otherwise apparently today nowadays then congrats
  congratulations absolutely definitely totally exactly true sorry omg first second third still
  usually sometimes normally overall thankfully hopefully though or`,
);
assign(
  Role.adverb,
  `really just also always never still already usually often recently finally currently actually even
  only absolutely definitely totally both all sometimes mostly mainly generally normally rarely
  seldom hardly barely honestly truly simply so very pretty quite super too kinda certainly
  basically literally almost probably maybe perhaps possibly previously once ever once now then
  deeply especially particularly mainly occasionally frequently regularly once lately officially
  secretly genuinely personally soon eventually since together originally`,
);
assign(
  Role.doubt,
  'maybe perhaps probably possibly might may could apparently supposedly hopefully',
);
assign(Role.be, 'am is are was were be been');
assign(
  Role.auxiliary,
  `have has had do does did will would can could should might may must shall cannot gonna gotta
  wanna`,
);
assign(
  Role.preposition,
  `in at to for with from as about of on by into onto over under near around through against between
  toward towards without within across behind beside along via like than during until since after
  before off`,
);
assign(Role.particle, 'up out off in on down back away over along forward together');
assign(
  Role.determiner,
  `the a an this that these those my our your his her its their some any every each no another both
  many several few all two three four five six seven eight nine ten`,
);
assign(
  Role.subordinate,
  `because cause since although though while whereas which who whom whose when where why how what
  that so unless until if whether except cuz`,
);
assign(
  Role.pronoun,
  `i we he she they it you this that there these those y'all ya u everyone nobody`,
);
assign(
  Role.question,
  `what who whom whose which when where why how do does did is are was were have has had can could
  will would should may might any got ever wanna don't isn't aren't`,
);
assign(
  Role.time,
  `today yesterday tomorrow tonight nowadays last next this every each past on by in at since until
  for from before after during the a an once twice thrice right these recently lately soon now
  weekly daily monthly yearly annually ago mid early late couple few several half one two three four
  five six seven eight nine ten twelve over back all as two-day currently sometimes`,
);
assign(
  Role.hedge,
  `think guess suppose believe hope bet feel know say said heard mean swear figure assume imagine
  remember noticed realized realised thought hear noticing feels wish`,
);
assign(
  Role.chatter,
  `agree understand see thank appreciate wonder forgive promise apologize apologise beg recommend
  suggest congratulate mind care totally get gotta let wonder doubt dare`,
);
assign(Role.condition, 'if unless whether imagine suppose supposing once wish');
assign(Role.coordinator, 'and but or nor yet plus then');
assign(Role.honorific, 'mr mrs ms miss dr prof professor sir madam aunt uncle captain doctor');
assign(Role.empty, 'it that this them those these so one you ya him her me us too lot all there u');
assign(
  Role.relation | Role.female,
  `sister mother mom mum mama grandmother grandma granny nana aunt auntie wife girlfriend daughter
  niece stepmother stepmom stepsister granddaughter mother-in-law sister-in-law`,
);
assign(
  Role.relation | Role.male,
  `brother father dad papa grandfather grandpa uncle husband boyfriend son nephew stepfather stepdad
  stepbrother grandson father-in-law brother-in-law`,
);
assign(
  Role.relation,
  `friend buddy pal partner spouse fiance fiancé fiancée cousin boss manager colleague coworker
  co-worker neighbor neighbour roommate flatmate mentor teacher coach therapist doctor dentist
  teammate classmate child kid baby twin parent sibling bestie landlord assistant client`,
);
assign(
  Role.relation | Role.pet,
  `dog cat puppy kitten hamster rabbit bunny parrot horse pet turtle tortoise goldfish guinea-pig bird
  pup snake ferret lizard`,
);

assign(Role.relation, 'children wives families folks in-laws people');
// Iterates over a copy, since the loop adds plurals to the original.
for (const [word, role] of new Map(roles)) {
  if ((role & Role.relation) !== 0 && !roles.has(`${word}s`)) roles.set(`${word}s`, role);
}

/** The bits of a lower-case word; 0 for one of the open classes. */
export function roleOf(word: string): number {
  return roles.get(word) ?? 0;
}
