import { describe, expect, test } from 'vitest';
import { createLocalExtractor } from '../../../workers/extraction/src/providers/local/local.ts';

const extractor = createLocalExtractor();

function read(content: string, speaker = 'Kim') {
  const input = { content, speaker, time: '2025-03-05T10:00:00Z' };
  const { facts, entities } = extractor.extract(input);
  return {
    facts: facts.map(({ text }) => text),
    entities: entities.map(({ name, type, mentions }) =>
      mentions === 1 ? `${name}: ${type}` : `${name}: ${type} x${mentions}`,
    ),
    parts: facts.map(({ subject, predicate, object }) => [subject, predicate, object]),
    confidence: facts.map(({ confidence }) => confidence),
  };
}

describe('messages and what is read from them', () => {
  test.each<[content: string, facts: string[], entities: string[]]>([
    [
      'I moved to Lisbon in March and work at Siemens as a nurse. My sister Ana is allergic to peanuts.',
      [
        'Kim moved to Lisbon in March.',
        'Kim works at Siemens as a nurse.',
        "Ana is Kim's sister.",
        'Ana is allergic to peanuts.',
      ],
      ['Lisbon: place', 'March: date', 'Siemens: organization', 'Ana: person', 'peanuts: topic'],
    ],
    [
      "I'm a software engineer at Google, and I live in Berlin with my wife Julia.",
      ['Kim is a software engineer at Google.', "Kim lives in Berlin with Kim's wife Julia."],
      ['Google: organization', 'Berlin: place', 'Julia: person'],
    ],
    [
      "I don't like olives, but I love pizza and pasta.",
      ['Kim does not like olives.', 'Kim loves pizza and pasta.'],
      ['olives: topic', 'pizza: topic', 'pasta: topic'],
    ],
    [
      'My dog Rex is a golden retriever. He is 3 years old.',
      ["Rex is Kim's dog.", 'Rex is a golden retriever.', 'Rex is 3 years old.'],
      ['Rex: other', '3 years: quantity'],
    ],
    [
      "I've been learning Spanish for two years.",
      ['Kim has been learning Spanish for two years.'],
      ['Spanish: topic', 'two years: quantity'],
    ],
    [
      'We bought a house in Porto last summer.',
      ['Kim and others bought a house in Porto last summer.'],
      ['Porto: place', 'last summer: date'],
    ],
    [
      'My favorite food is sushi and my favorite color is green.',
      ["Kim's favorite food is sushi.", "Kim's favorite color is green."],
      ['sushi: topic'],
    ],
    [
      'The meeting with Dr. Smith is on Friday at 3pm.',
      ['The meeting with Dr. Smith is on Friday at 3pm.'],
      ['Dr. Smith: person', 'Friday: date', '3pm: date'],
    ],
    [
      'I was born in 1985 in Chicago.',
      ['Kim was born in 1985 in Chicago.'],
      ['1985: date', 'Chicago: place'],
    ],
    [
      'My mom is a teacher and my dad drives a truck.',
      ["Kim's mom is a teacher.", "Kim's dad drives a truck."],
      [],
    ],
    [
      "I can't eat gluten because I have celiac disease.",
      ['Kim cannot eat gluten.', 'Kim has celiac disease.'],
      [],
    ],
    ['I never drink coffee after lunch.', ['Kim never drinks coffee after lunch.'], []],
    [
      'I used to smoke, but I quit five years ago.',
      ['Kim used to smoke.', 'Kim quit five years ago.'],
      ['five years: quantity'],
    ],
    [
      "I don't smoke and I don't drink alcohol.",
      ['Kim does not smoke.', 'Kim does not drink alcohol.'],
      [],
    ],
    ["I've got a cat named Whiskers.", ['Kim has a cat named Whiskers.'], ['Whiskers: other']],
    [
      'My wife and I are expecting a baby in June.',
      ["Kim and Kim's wife are expecting a baby in June."],
      ['June: date'],
    ],
    [
      'My parents live in Florida and I visit them every Christmas.',
      ["Kim's parents live in Florida."],
      ['Florida: place', 'Christmas: event'],
    ],
    [
      'My boss, Karen, wants the slides by Monday.',
      ["Karen is Kim's boss.", 'Karen wants the slides by Monday.'],
      ['Karen: person', 'Monday: date'],
    ],
    [
      'Tom works at IBM. He lives in Austin and he has three dogs.',
      ['Tom works at IBM.', 'Tom lives in Austin.', 'Tom has three dogs.'],
      ['Tom: person', 'IBM: organization', 'Austin: place', 'three dogs: quantity'],
    ],
    [
      'I met Ana Silva at the Web Summit. Ana is a designer.',
      ['Kim met Ana Silva at the Web Summit.', 'Ana is a designer.'],
      ['Ana Silva: person x2', 'Web Summit: event'],
    ],
    [
      'Alice prefers window seats, hates early flights and always orders vegetarian meals.',
      [
        'Alice prefers window seats.',
        'Alice hates early flights.',
        'Alice always orders vegetarian meals.',
      ],
      ['Alice: person', 'window seats: topic', 'early flights: topic'],
    ],
    [
      'I speak English, Spanish and a little bit of German.',
      ['Kim speaks English, Spanish and a little bit of German.'],
      ['English: topic', 'Spanish: topic', 'German: topic'],
    ],
    [
      'I bought a new laptop for $1,200 yesterday.',
      ['Kim bought a new laptop for $1,200 yesterday.'],
      ['$1,200: quantity'],
    ],
    [
      "I'm originally from Brazil but I moved to Portugal in 2018.",
      ['Kim is originally from Brazil.', 'Kim moved to Portugal in 2018.'],
      ['Brazil: place', 'Portugal: place', '2018: date'],
    ],
    [
      'Our team uses Kubernetes and PostgreSQL.',
      ["Kim's team uses Kubernetes and PostgreSQL."],
      ['Kubernetes: product', 'PostgreSQL: product'],
    ],
    [
      'Priya leads the platform team and reports to Daniel.',
      ['Priya leads the platform team.', 'Priya reports to Daniel.'],
      ['Priya: person', 'Daniel: person'],
    ],
    [
      'The API uses OAuth for authentication and returns JSON.',
      ['The API uses OAuth for authentication.', 'The API returns JSON.'],
      ['API: other', 'OAuth: other', 'JSON: other'],
    ],
    [
      'i live in seattle and work remotely for a startup',
      ['Kim lives in seattle.', 'Kim works remotely for a startup.'],
      [],
    ],
    ['im a nurse and i work night shifts', ['Kim is a nurse.', 'Kim works night shifts.'], []],
    [
      'Please remember that I prefer aisle seats.',
      ['Kim prefers aisle seats.'],
      ['aisle seats: topic'],
    ],
    [
      'Met with the Acme Corp team on Tuesday; they want a demo next week.',
      ['Kim met with the Acme Corp team on Tuesday.'],
      ['Acme Corp: organization', 'Tuesday: date', 'next week: date'],
    ],
    ['Ana: I love tea', ['Ana loves tea.'], ['Ana: person', 'tea: topic']],
    [
      'The user works as a product manager at Spotify in Stockholm.',
      ['The user works as a product manager at Spotify in Stockholm.'],
      ['Spotify: organization', 'Stockholm: place'],
    ],
    ['I have no siblings.', ['Kim has no siblings.'], []],
    [
      'My email address is sam.lee@example.org.',
      ["Kim's email address is sam.lee@example.org."],
      [],
    ],
    [
      'Yeah, I painted that lake sunrise last year! I love #painting',
      ['Kim loves painting.'],
      ['last year: date', 'painting: topic'],
    ],
    ['If I win the lottery, I will move to Hawaii.', [], ['Hawaii: place']],
    ['I wish I could fly.', [], []],
    ['Do you know Lena?', [], ['Lena: person']],
    ['Can you remind me to call mom tomorrow?', [], []],
    ["That's awesome! I love it.", [], []],
    ["I'm so happy and thankful for all the support.", [], []],
    ['I have to go now, talk to you later!', [], []],
    ['They moved to Canada.', [], ['Canada: place']],
    ['You should try the new restaurant.', [], []],
    ['It was nice meeting you.', [], []],
    ["I'm allergic to your cat.", [], []],
  ])('%s', async (content, facts, entities) => {
    const found = read(content);
    expect(found.facts).toEqual(facts);
    expect(found.entities).toEqual(entities);
  });
});

describe('the parts of a fact', () => {
  test.each<[content: string, subject: string, predicate: string, object: string]>([
    ['I moved to Lisbon in March.', 'Kim', 'moved to', 'Lisbon'],
    ['I work at Siemens as a nurse.', 'Kim', 'works at', 'Siemens'],
    ["I don't like olives.", 'Kim', 'does not like', 'olives'],
    ["I'm not allergic to nuts.", 'Kim', 'is not allergic to', 'nuts'],
    ["I've never been to Japan.", 'Kim', 'has never been to', 'Japan'],
    ["I don't smoke.", 'Kim', 'does not', 'smoke'],
    ['I want to learn the piano.', 'Kim', 'wants to learn', 'the piano'],
    ['My grandmother passed away in 2020.', "Kim's grandmother", 'passed away', 'in 2020'],
    ["My brother's wife is a lawyer.", "Kim's brother's wife", 'is', 'a lawyer'],
  ])('%s', async (content, subject, predicate, object) => {
    expect(read(content).parts).toEqual([[subject, predicate, object]]);
  });
});

test('beliefs and possibilities are less certain than statements', async () => {
  const [sure] = read('Tom works at Nokia.').confidence;
  const [believed] = read('I think Tom works at Nokia.').confidence;
  const [possible] = read('Tom might move to Spain.').confidence;
  expect(sure).toBeGreaterThan(0.8);
  expect(believed).toBe(0.5);
  expect(possible).toBe(0.4);
});

test.each([
  [undefined, 'The speaker is a nurse.'],
  ['user', 'The user is a nurse.'],
  ['assistant', 'The assistant is a nurse.'],
  ['Ada Byron', 'Ada Byron is a nurse.'],
])('said by %s', async (speaker, text) => {
  const input = { content: 'I am a nurse.', time: '2025-03-05T10:00:00Z' };
  const output = extractor.extract(speaker === undefined ? input : { ...input, speaker });
  expect(output.facts.map((fact) => fact.text)).toEqual([text]);
});

test('a fact stated twice is one fact, and names are counted', async () => {
  const { facts, entities } = read('Ana lives in Rome. Ana lives in Rome. Rome is old.');
  expect(facts).toEqual(['Ana lives in Rome.', 'Rome is old.']);
  expect(entities).toEqual(['Ana: person x2', 'Rome: place x3']);
});
