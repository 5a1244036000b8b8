import {
  CATALOGUE,
  defineEventType,
  EventError,
  EventRegistry,
  latestVersion,
  registry,
} from '@memfleet/events';
import type { EventType, Upcaster } from '@memfleet/events';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { FIXTURE_ENVELOPE } from '../../../shared/events/src/contract.ts';
import { bytesOf, known, sample, unread } from './sample.ts';

const v1 = z.looseObject({ a: z.string() });
const v2 = z.looseObject({ a: z.string(), b: z.int() });
const v3 = z.looseObject({ a: z.string(), b: z.int(), c: z.string() });

const step = (from: number, to: number): Upcaster => ({
  from,
  to,
  upcast: (data: Record<string, unknown>) => ({
    ...data,
    steps: [...((data['steps'] as [] | undefined) ?? []), to],
  }),
});

function define(changes: Partial<EventType> = {}): EventType {
  return defineEventType<string, z.ZodType>({
    type: 'memory.tested',
    eventClass: 'usage',
    summary: 'Only here.',
    versions: { 1: v1, 2: v2, 3: v3 },
    latest: v3,
    upcasters: [step(1, 2), step(2, 3)],
    fixtures: [],
    ...changes,
  });
}

describe('a catalogue that contradicts itself does not start', () => {
  test.for<[string, EventType[], RegExp]>([
    ['a type twice', [define(), define()], /memory\.tested is defined twice/],
    ['no version', [define({ versions: {}, upcasters: [] })], /no version/],
    ['a missing version', [define({ versions: { 1: v1, 3: v3 } })], /gap: version 2 is missing/],
    [
      'no version 1',
      [define({ versions: { 2: v2, 3: v3 }, upcasters: [step(2, 3)] })],
      /gap: version 1/,
    ],
    ['a version 0', [define({ versions: { 0: v1, 1: v1, 2: v2, 3: v3 } })], /version below 1/],
    ['another schema as latest', [define({ latest: v2 })], /as latest that is not that of/],
    [
      'no upcaster from 1',
      [define({ upcasters: [step(2, 3)] })],
      /no upcaster leads from version 1/,
    ],
    [
      'no upcaster from 2',
      [define({ upcasters: [step(1, 2)] })],
      /no upcaster leads from version 2/,
    ],
    ['an upcaster that jumps over the only one', [define({ upcasters: [step(1, 3)] })], /gap/],
    ['a step back', [define({ upcasters: [step(1, 2), step(2, 1)] })], /cycle/],
    ['a step in place', [define({ upcasters: [step(1, 2), step(2, 2)] })], /cycle/],
    [
      'two steps from 1',
      [define({ upcasters: [step(1, 2), step(1, 3), step(2, 3)] })],
      /two upcasters from version 1/,
    ],
    [
      'a step beyond',
      [define({ upcasters: [step(1, 2), step(2, 3), step(3, 4)] })],
      /not both versions/,
    ],
    ['a type that is no subject token', [define({ type: 'memory.x y' })], /words joined by dots/],
    ['a type of one word', [define({ type: 'created' })], /words joined by dots/],
  ])('%s', ([, definitions, reason]) => {
    expect(() => new EventRegistry(definitions)).toThrow(reason);
    expect(() => new EventRegistry(definitions)).toThrow(
      expect.objectContaining({ code: 'CATALOGUE_BROKEN' }),
    );
    expect(() => new EventRegistry(definitions)).toThrow(EventError);
  });

  test('steps may skip a version, if each leads to the latest by one path', () => {
    const own = new EventRegistry([define({ upcasters: [step(1, 3), step(2, 3)] })]);
    expect(upcastOf(own, 1)).toEqual([3]);
  });
});

function upcastOf(own: EventRegistry, version: number): unknown {
  const data = { a: 'x', b: 1, c: 'y' };
  const decoded = own.upcast(sample({ type: 'memory.tested', schemaversion: version, data }));
  return (known(decoded).event.data as Record<string, unknown>)['steps'];
}

test('a version goes through every step to the latest, once and in order', () => {
  const own = new EventRegistry([define()]);
  expect(upcastOf(own, 1)).toEqual([2, 3]);
  expect(upcastOf(own, 2)).toEqual([3]);
  expect(upcastOf(own, 3)).toBeUndefined();
});

describe('an unreadable event is a result, not an exception', () => {
  test.for<[string, unknown, string]>([
    ['an error', new TypeError('x is not a function'), ': x is not a function'],
    ['no error', 'just a string', ''],
  ])('an upcaster that throws %s', ([, thrown, said]) => {
    const upcast = (): never => {
      throw thrown;
    };
    const own = new EventRegistry([
      define({ upcasters: [{ from: 1, to: 2, upcast }, step(2, 3)] }),
    ]);
    const event = sample({ type: 'memory.tested', schemaversion: 1, data: { a: 'x' } });
    expect(unread(own.decode(bytesOf(event)))).toBe(
      `invalid: memory.tested version 1 could not be upcast${said}`,
    );
    const later = sample({ type: 'memory.tested', schemaversion: 2, data: { a: 'x', b: 1 } });
    expect(known(own.decode(bytesOf(later))).event.schemaversion).toBe(3);
  });

  test('an unknown type', () => {
    const event = sample({ type: 'memory.dreamt', data: { any: 'thing' } });
    const decoded = registry.decode(bytesOf(event));
    expect(unread(decoded)).toBe('unknown: unknown event type memory.dreamt');
    expect(decoded).toMatchObject({ envelope: event });
  });

  test.for(['__proto__', 'constructor', 'toString', 'hasOwnProperty', 'valueOf'])(
    'a prototype name as type: %s',
    (type) => {
      expect(registry.decode(bytesOf(sample({ type }))).kind).toBe('unknown');
    },
  );

  test('a newer version, with any data', () => {
    const event = sample({ schemaversion: 4, data: { content: 42 } });
    const decoded = registry.decode(bytesOf(event));
    expect(unread(decoded)).toMatch(/^newer: memory.created version 4 is newer than 3/);
    expect(decoded).toMatchObject({ envelope: event });
  });

  test('data that do not fit their version', () => {
    const decoded = registry.decode(bytesOf(sample({ data: { content: 42 } })));
    expect(unread(decoded)).toMatch(/^invalid: data\.content/);
  });
});

describe('golden fixtures', () => {
  const cases = CATALOGUE.flatMap((definition: EventType) =>
    definition.fixtures.map((fixture) => ({
      definition,
      fixture,
      title: `${definition.type}, ${fixture.name}`,
    })),
  );

  test.for(cases)('$title', ({ definition, fixture }) => {
    const event = {
      ...FIXTURE_ENVELOPE,
      type: definition.type,
      schemaversion: fixture.version,
      data: fixture.data,
    };
    const read = known(registry.decode(bytesOf(event)));
    expect(read.event.data).toEqual(fixture.latest);
    expect(read.event.schemaversion).toBe(latestVersion(definition));
    expect(read.envelope).toEqual(event);
    // The result of the upcasters fits the schema that readers rely on.
    const again = registry.upcast({
      ...event,
      schemaversion: latestVersion(definition),
      data: read.event.data,
    });
    expect(known(again).event.data).toEqual(fixture.latest);
  });

  test.for([...CATALOGUE] as EventType[])('$type has one for every version', (definition) => {
    const covered = new Set(definition.fixtures.map(({ version }) => String(version)));
    expect([...covered].toSorted()).toEqual(Object.keys(definition.versions));
  });
});

test('memory.created as version 1 wrote it is read as version 3', () => {
  const bytes = bytesOf(
    sample({ schemaversion: 1, data: { content: 'Ada prefers tea.', mood: 'calm' } }),
  );
  const { event, envelope } = known(registry.decode(bytes));
  expect(event).toMatchObject({
    type: 'memory.created',
    schemaversion: 3,
    data: {
      content: 'Ada prefers tea.',
      kind: 'note',
      scope: {},
      attribution: { role: 'unknown' },
      valid_from: '2026-01-31T12:00:00Z',
      importance: 0.5,
      mood: 'calm',
    },
  });
  expect(envelope.schemaversion).toBe(1);
  expect(envelope.data).toEqual({ content: 'Ada prefers tea.', mood: 'calm' });
});
