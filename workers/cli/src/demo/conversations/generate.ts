import { nameBasedId, type NewEvent } from '@memfleet/events';
import { drawSlots, sentence, type Slots } from './fill.ts';
import { makePerson, type Person } from './person.ts';
import { Random } from './random.ts';
import { type Kind, LASTING, PASSING, SECRETS, type Topic, TURNS } from './topics.ts';
import { FIRST_NAMES, LAST_NAMES, WEEKDAYS } from './words.ts';

/** A question about the learnt memories, and what a good answer contains. */
export interface Question {
  readonly tenant: string;
  readonly question: string;
  readonly expected: string;
}

export interface Conversations {
  readonly events: readonly NewEvent[];
  readonly questions: readonly Question[];
}

export interface Size {
  readonly peoplePerTenant: number;
  readonly sessionsPerPerson: number;
}

const TENANTS = ['harbor-studio', 'lantern-travel', 'rowan-house'];
const AGENTS = ['assistant', 'planner'];
const SOURCE = '/memfleet/demo';
const START = Date.parse('2025-09-01T08:00:00Z');
const DAY_MS = 86_400_000;

const DEMO_SIZE: Size = { peoplePerTenant: 8, sessionsPerPerson: 10 };

/** Gives the same conversations for the same seed and size, event for event and id for id. */
export function generateConversations(seed: number, size: Size = DEMO_SIZE): Conversations {
  const random = new Random(seed);
  const firstNames = random.shuffled(FIRST_NAMES);
  const perTenant = TENANTS.map((tenant, index) => {
    const people = Array.from({ length: size.peoplePerTenant }, (_, at) => {
      const first = firstNames[(index * size.peoplePerTenant + at) % firstNames.length] ?? '';
      return makePerson(random, first, random.pick(LAST_NAMES));
    });
    return { tenant, people };
  });
  const events = perTenant.flatMap(({ tenant, people }) =>
    people.flatMap((person) => talkOf(random, tenant, person, size.sessionsPerPerson)),
  );
  return {
    // As an agent platform would send them: many conversations at once, each in order.
    events: events.toSorted((a, b) => ((a.time ?? '') < (b.time ?? '') ? -1 : 1)),
    questions: perTenant.flatMap(({ tenant, people }, index) => {
      const [person] = people;
      return person === undefined ? [] : [askAbout(tenant, person, index)];
    }),
  };
}

function askAbout(tenant: string, person: Person, index: number): Question {
  const { name, allergen, nextCity, destination } = person;
  const questions = [
    { question: `Where does ${name} live now?`, expected: nextCity },
    { question: `What is ${name} allergic to?`, expected: allergen },
    { question: `Where does ${name} plan to travel?`, expected: destination },
  ];
  const chosen = questions[index % questions.length] ?? questions[0];
  return { tenant, question: chosen?.question ?? '', expected: chosen?.expected ?? '' };
}

/** Everything that one person and their assistants say over several weeks. */
function talkOf(random: Random, tenant: string, person: Person, sessions: number): NewEvent[] {
  const talk = new Talk(random, tenant, person);
  const lasting = random.shuffled(LASTING);
  const perSession = Math.ceil(lasting.length / Math.max(1, sessions - 3));
  for (let session = 0; session < sessions; session += 1) {
    talk.openSession(session);
    for (const topic of lasting.splice(0, perSession)) talk.discuss(topic);
    for (let count = random.whole(1, 3); count > 0; count -= 1) talk.discuss(random.pick(PASSING));
    if (random.chance(0.15)) talk.sayAndForget();
    if (session === sessions - 2) for (const turn of TURNS) talk.turn(turn);
    if (random.chance(0.3)) talk.correctOne();
    talk.recallSome();
  }
  return talk.events;
}

interface Noted {
  readonly memory: string;
  readonly topic: string;
  readonly content: string;
}

class Talk {
  readonly events: NewEvent[] = [];
  readonly #random: Random;
  readonly #tenant: string;
  readonly #person: Person;
  readonly #noted: Noted[] = [];
  #session = '';
  #agent = '';
  #clock = START;

  constructor(random: Random, tenant: string, person: Person) {
    this.#random = random;
    this.#tenant = tenant;
    this.#person = person;
  }

  openSession(number: number): void {
    const random = this.#random;
    this.#session = `${this.#person.user}-s${number + 1}`;
    this.#agent = random.pick(AGENTS);
    this.#clock = START + number * 6 * DAY_MS + random.whole(0, 4 * DAY_MS);
  }

  discuss(topic: Topic): void {
    const slots = drawSlots(this.#random, this.#person);
    this.#say(topic.said, slots, topic.importance / 2);
    if (topic.noted.length > 0) this.#note(topic, slots);
  }

  /** A fact about the person changes. */
  turn({ topic, said, noted, reason }: (typeof TURNS)[number]): void {
    const before = this.#noted.findIndex((note) => note.topic === topic);
    const old = this.#noted[before];
    const slots = drawSlots(this.#random, this.#person);
    this.#say(said, slots, 0.5);
    const by = this.#note({ name: topic, noted, kind: 'fact', importance: 0.9 }, slots);
    if (old === undefined) return;
    this.#noted.splice(before, 1);
    this.#append(old.memory, 'memory.superseded', { by, reason });
  }

  correctOne(): void {
    if (this.#noted.length === 0) return;
    const { memory, content } = this.#random.pick(this.#noted);
    this.#append(memory, 'memory.revised', {
      content: `${content.slice(0, -1)}, as ${this.#person.first} confirmed on ${this.#random.pick(WEEKDAYS)}.`,
      reason: 'confirmed by the user',
    });
  }

  sayAndForget(): void {
    const memory = this.#say(SECRETS, drawSlots(this.#random, this.#person), 0.2);
    this.#append(memory, 'memory.forgotten', { reason: 'the user asked for it' });
  }

  /** The assistant recalls memories while it answers. */
  recallSome(): void {
    const looked = this.#random.shuffled(this.#noted).slice(0, this.#random.whole(0, 3));
    for (const [index, { memory }] of looked.entries()) {
      this.#append(memory, 'memory.accessed', {
        by: this.#agent,
        purpose: 'answering',
        rank: index + 1,
      });
    }
  }

  #say(templates: readonly string[], slots: Slots, importance: number): string {
    const content = sentence(this.#random, templates, slots);
    return this.#create('user', content, { kind: 'message', importance });
  }

  #note(topic: Pick<Topic, 'name' | 'noted' | 'kind' | 'importance'>, slots: Slots): string {
    const content = sentence(this.#random, topic.noted, slots);
    const memory = this.#create('assistant', content, topic);
    this.#noted.push({ memory, topic: topic.name, content });
    return memory;
  }

  #create(
    role: 'user' | 'assistant',
    content: string,
    { kind, importance }: { readonly kind: Kind; readonly importance: number },
  ): string {
    const { user, first } = this.#person;
    const memory = `${user}-m${this.events.length + 1}`;
    // Some publishers have not moved to version 2 yet; readers see no difference.
    if (role === 'assistant' && this.#random.chance(0.15)) {
      this.#append(memory, 'memory.created', { content }, 1);
      return memory;
    }
    this.#append(memory, 'memory.created', {
      content,
      kind,
      scope: { user, agent: this.#agent, session: this.#session },
      attribution: role === 'user' ? { role, name: first } : { role, name: this.#agent },
      importance,
    });
    return memory;
  }

  #append(
    memory: string,
    type: NewEvent['type'],
    data: NewEvent['data'],
    schemaVersion?: number,
  ): void {
    this.#clock += this.#random.whole(4, 90) * 1_000;
    this.events.push({
      tenant: this.#tenant,
      memory,
      type,
      data,
      source: SOURCE,
      id: nameBasedId('demo', this.#tenant, memory, type, String(this.events.length)),
      time: new Date(this.#clock).toISOString(),
      correlationId: this.#session,
      ...(schemaVersion === undefined ? {} : { schemaVersion }),
    });
  }
}
