import type { MEMORY_KINDS } from '@memfleet/events';

export type Kind = (typeof MEMORY_KINDS)[number];

/** A thing that comes up in a conversation: how the user says it, and how the assistant notes it. */
export interface Topic {
  readonly name: string;
  readonly kind: Kind;
  /** 0 to 1. */
  readonly importance: number;
  /** In the first person, with {slots}. */
  readonly said: readonly string[];
  /** In the third person; a topic without is small talk that nobody notes. */
  readonly noted: readonly string[];
}

/** Lasting facts about a person: each comes up once, early. */
export const LASTING: readonly Topic[] = [
  {
    name: 'home',
    kind: 'fact',
    importance: 0.8,
    said: [
      'I live in {city}, close to {place}.',
      'I have lived in {city} for {years} years, right behind {place}.',
    ],
    noted: ['{name} lives in {city}.', '{name} lives in {city}, near {place}.'],
  },
  {
    name: 'work',
    kind: 'fact',
    importance: 0.8,
    said: [
      'I work as a {job} at {employer}.',
      'I am a {job}, and I work for {employer}.',
      'I started as a {job} at {employer} in {month}.',
    ],
    noted: ['{name} works as a {job} at {employer}.', '{name} is a {job} and works at {employer}.'],
  },
  {
    name: 'allergy',
    kind: 'fact',
    importance: 1,
    said: [
      'Please remember that I am allergic to {allergen}.',
      'I am allergic to {allergen}, so please check before you book anything.',
    ],
    noted: ['{name} is allergic to {allergen}.'],
  },
  {
    name: 'drink',
    kind: 'preference',
    importance: 0.6,
    said: [
      'I prefer {drink} in the morning.',
      'I always drink {drink} before work.',
      'My favorite drink is {drink}.',
    ],
    noted: ['{name} prefers {drink} in the morning.'],
  },
  {
    name: 'food',
    kind: 'preference',
    importance: 0.6,
    said: ['I love {dish}.', 'My favorite dish is {dish}, especially in {month}.'],
    noted: ["{name}'s favorite dish is {dish}."],
  },
  {
    name: 'hobby',
    kind: 'preference',
    importance: 0.5,
    said: [
      'I enjoy {hobby} at the weekend.',
      'I love {hobby}, and every {weekday} evening is reserved for it.',
    ],
    noted: ['{name} enjoys {hobby} every {weekday}.'],
  },
  {
    name: 'music',
    kind: 'fact',
    importance: 0.5,
    said: ['I play the {instrument}.', 'I have played the {instrument} since {year}.'],
    noted: ['{name} plays the {instrument}.'],
  },
  {
    name: 'language',
    kind: 'fact',
    importance: 0.5,
    said: ['I am learning {language} with an app.', 'I study {language} twice a week in {city}.'],
    noted: ['{name} is learning {language}.'],
  },
  {
    name: 'pet',
    kind: 'fact',
    importance: 0.6,
    said: [
      'I have a {pet} named {petName}.',
      'My {pet} {petName} is {years} years old and sleeps all day.',
    ],
    noted: ['{name} has a {pet} named {petName}.'],
  },
  {
    name: 'family',
    kind: 'fact',
    importance: 0.6,
    said: [
      'My {relative} lives in {relativeCity}.',
      'My {relative} moved to {relativeCity} in {year}.',
    ],
    noted: ["{name}'s {relative} lives in {relativeCity}."],
  },
  {
    name: 'travel',
    kind: 'event',
    importance: 0.7,
    said: [
      'I plan to travel to {destination} in {travelMonth}.',
      'We booked a trip to {destination} for {travelMonth}.',
    ],
    noted: ['{name} plans to travel to {destination} in {travelMonth}.'],
  },
  {
    name: 'birthday',
    kind: 'fact',
    importance: 0.7,
    said: ['My birthday is on {birthday}.'],
    noted: ["{name}'s birthday is on {birthday}."],
  },
];

/** Events in people's lives: they come up repeatedly, each time a little different. */
export const PASSING: readonly Topic[] = [
  {
    name: 'meeting',
    kind: 'event',
    importance: 0.4,
    said: [
      'I met {friend} at {place} on {weekday}.',
      'I had lunch with {friend} near {place} and we talked about {project}.',
    ],
    noted: ['{name} met {friend} at {place} on {weekday}.'],
  },
  {
    name: 'deadline',
    kind: 'event',
    importance: 0.7,
    said: [
      'I have to finish {project} by {weekday}.',
      'The deadline for {project} moved to {weekday}.',
    ],
    noted: ['{name} must finish {project} by {weekday}.'],
  },
  {
    name: 'reading',
    kind: 'message',
    importance: 0.3,
    said: [
      'I am reading {book} and I am on page {number}.',
      'I finished {book} last night, {friend} lent it to me.',
    ],
    noted: ['{name} is reading {book}.'],
  },
  {
    name: 'health',
    kind: 'event',
    importance: 0.6,
    said: [
      'I have had {ailment} since {weekday}.',
      'I saw a doctor in {city} because of {ailment}.',
    ],
    noted: ['{name} has had {ailment} since {weekday}.'],
  },
  {
    name: 'cooking',
    kind: 'message',
    importance: 0.3,
    said: [
      'I cooked {otherDish} for {friend} on {weekday}.',
      'I tried a new recipe for {otherDish}, and it took {number} minutes.',
    ],
    noted: ['{name} cooked {otherDish} for {friend}.'],
  },
  {
    name: 'sport',
    kind: 'message',
    importance: 0.3,
    said: [
      'I ran {years} kilometers around {place} on {weekday}.',
      'I went {hobby} with {friend} for {years} hours.',
    ],
    noted: [],
  },
  {
    name: 'gift',
    kind: 'event',
    importance: 0.5,
    said: [
      'I want to give {friend} {gift} for the birthday on {weekday}.',
      'I bought {gift} for my {relative}, it cost {number} euros.',
    ],
    noted: ['{name} wants to give {friend} {gift}.'],
  },
  {
    name: 'appointment',
    kind: 'event',
    importance: 0.7,
    said: [
      'I have an appointment with {friend} on {weekday} at {hour}:30.',
      'I need to pick {petName} up from the vet on {weekday} at {hour}:30.',
    ],
    noted: ['{name} has an appointment with {friend} on {weekday} at {hour}:30.'],
  },
  {
    name: 'thanks',
    kind: 'message',
    importance: 0.1,
    said: [
      'Thanks, that helps a lot!',
      'Good morning!',
      'Perfect, thank you.',
      'Okay, see you {weekday}.',
    ],
    noted: [],
  },
];

/** Facts that change: the note of the new fact supersedes that of the old one. */
export interface Turn {
  readonly topic: string;
  readonly said: readonly string[];
  readonly noted: readonly string[];
  readonly reason: string;
}

export const TURNS: readonly Turn[] = [
  {
    topic: 'home',
    said: ['I moved from {city} to {nextCity}.', 'We moved to {nextCity} in {month}.'],
    noted: ['{name} lives in {nextCity} now, before that in {city}.'],
    reason: 'moved',
  },
  {
    topic: 'work',
    said: ['I left {employer}, and I work at {nextEmployer} now.'],
    noted: ['{name} works as a {job} at {nextEmployer} now.'],
    reason: 'changed jobs',
  },
  {
    topic: 'drink',
    said: ['I no longer drink {drink}, I prefer {nextDrink} now.'],
    noted: ['{name} prefers {nextDrink} in the morning now.'],
    reason: 'changed their mind',
  },
];

/** Things said by mistake, and forgotten on request. */
export const SECRETS: readonly string[] = [
  'The code of my bicycle lock is {number}{hour}.',
  'My locker at {place} is number {number}.',
  'I am planning a surprise party for {friend} at {place}.',
];
