import { CATALOGUE, createEvent, type EventType, registry } from '@memfleet/events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { z } from 'zod';
import { FIXTURE_ENVELOPE } from '../../../shared/events/src/contract.ts';
import { envelopeSchema } from '../../../shared/events/src/envelope.ts';
import { asJson, bytesOf, known, sample } from './sample.ts';

const KINDS = /^(known|unknown|newer|invalid)$/;

/** Every golden event as parsed JSON: places to bend. */
const golden = CATALOGUE.flatMap(({ type, fixtures }: EventType) =>
  fixtures.map(({ version, data }): Record<string, unknown> => ({
    ...FIXTURE_ENVELOPE,
    type,
    schemaversion: version,
    data,
  })),
);

describe('decode throws nothing', () => {
  test('on any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(registry.decode(bytes).kind).toMatch(KINDS);
      }),
    );
  });

  test('on any JSON', () => {
    fc.assert(
      fc.property(fc.json(), (text) => {
        expect(registry.decode(bytesOf(text)).kind).toMatch(KINDS);
      }),
    );
  });

  test('on a valid event with one byte changed', () => {
    const stored = { root: 'memory', subject: 'memory.0.acme.m-1.content.created' };
    const event = fc.constantFrom(...golden.map((one) => bytesOf(one)));
    fc.assert(
      fc.property(event, fc.nat(), fc.nat({ max: 255 }), (bytes, place, byte) => {
        const bad = Uint8Array.from(bytes);
        bad[place % bad.length] = byte;
        expect(registry.decode(bad, stored).kind).toMatch(KINDS);
      }),
      { numRuns: 500 },
    );
  });
});

/** A valid event, bent in one place, at the top or in its data. */
const bent = fc
  .tuple(
    fc.constantFrom(...golden),
    fc.boolean(),
    fc.nat(),
    fc.oneof(
      fc.jsonValue(),
      fc.constantFrom(undefined, Infinity, NaN, '', '\u0000', -1, 0, 1.5, 2 ** 53),
    ),
  )
  .map(([event, isInData, place, value]) => {
    const copy = structuredClone(event);
    const target = isInData ? (copy['data'] as Record<string, unknown>) : copy;
    const names = [...Object.keys(target), 'extra'];
    target[names[place % names.length] ?? 'extra'] = value;
    return copy;
  });

describe('a compiled schema agrees with the schema', () => {
  const verdict = (schema: z.ZodType, value: unknown): unknown => {
    const { success, data, error } = schema.safeParse(value);
    return { success, data, issues: error?.issues };
  };

  test('of the envelope', () => {
    const compiled = z.compile(envelopeSchema, { strict: true });
    fc.assert(
      fc.property(bent, (event) => {
        expect(verdict(compiled, event)).toEqual(verdict(envelopeSchema, event));
      }),
      { numRuns: 1_000 },
    );
  });

  test('of every version of every type', () => {
    const pairs = CATALOGUE.flatMap((definition: EventType) =>
      Object.values(definition.versions),
    ).map((schema) => ({ schema, compiled: z.compile(schema, { strict: true }) }));
    fc.assert(
      fc.property(bent, (event) => {
        for (const { schema, compiled } of pairs) {
          expect(verdict(compiled, event['data'])).toEqual(verdict(schema, event['data']));
        }
      }),
      { numRuns: 500 },
    );
  });
});

test('a written event is read back, including fields that no schema names', () => {
  const names = fc.stringMatching(/^x[a-z]{0,8}$/);
  const storable = fc
    .jsonValue({ maxDepth: 4 })
    .filter((value) => !/\\u|__proto__/.test(JSON.stringify(value)));
  const extra = fc.dictionary(names, storable);
  fc.assert(
    fc.property(
      fc.string({ minLength: 1, unit: 'grapheme' }),
      extra,
      extra,
      (content, inData, inEnvelope) => {
        const written = {
          ...inEnvelope,
          ...createEvent({
            tenant: 'acme',
            memory: 'm-1',
            type: 'memory.created',
            source: '/agents/a',
            data: { ...inData, content },
          }),
        };
        const text = JSON.stringify(written);
        const { event, envelope } = known(registry.decode(bytesOf(text)));
        expect(envelope).toEqual(asJson(written));
        expect(event).toMatchObject(asJson(inEnvelope) as object);
        expect(event.data).toMatchObject(asJson({ ...inData, content }) as object);
      },
    ),
  );
});

test('a decoded event that is rewritten is the same event', () => {
  fc.assert(
    fc.property(fc.constantFrom(...golden), (event) => {
      const first = known(registry.decode(bytesOf(event))).event;
      expect(known(registry.decode(bytesOf(first))).event).toEqual(first);
    }),
  );
  expect(known(registry.decode(bytesOf(sample()))).event.id).toBe(sample()['id']);
});
