import { canonicalJson, type Envelope, payloadDigest, samePayload } from '@memfleet/events';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { saysTheSame } from '../../../shared/events/src/payload.ts';
import { bytesOf, sample } from './sample.ts';

/** The same value with the members of every object in another order. */
function shuffled(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(shuffled);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value)
      .toReversed()
      .map(([key, item]) => [key, shuffled(item)]),
  );
}

describe('canonical JSON', () => {
  const json = fc.jsonValue({ stringUnit: 'binary' });

  test('is the same for any order of keys', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(canonicalJson(shuffled(value))).toBe(canonicalJson(value));
      }),
    );
  });

  test('contains the value, and nothing else', () => {
    fc.assert(
      fc.property(json, (value) => {
        expect(JSON.parse(canonicalJson(value))).toEqual(JSON.parse(JSON.stringify(value)));
      }),
    );
  });

  test('is the same only for the same value', () => {
    fc.assert(
      fc.property(json, json, (a, b) => {
        const isSame = JSON.stringify(sortedEntries(a)) === JSON.stringify(sortedEntries(b));
        expect(canonicalJson(a) === canonicalJson(b)).toBe(isSame);
      }),
    );
  });

  test('is that of RFC 8785', () => {
    const value = {
      numbers: [333333333.3333333, 1e30, 4.5, 2e-3, 1e-27],
      string: '€$\u000F\nA\'B"\\\\"/',
      literals: [null, true, false],
    };
    expect(canonicalJson(value)).toBe(
      '{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"string":"€$\\u000f\\nA\'B\\"\\\\\\\\\\"/"}',
    );
  });

  test('leaves out what JSON leaves out', () => {
    expect(canonicalJson({ b: undefined, a: [undefined] })).toBe('{"a":[null]}');
  });
});

/** Sorted recursively, by another method than the code under test. */
function sortedEntries(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortedEntries);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).map(([key, item]): [string, unknown] => [
    key,
    sortedEntries(item),
  ]);
  return { entries: entries.toSorted(([a], [b]) => (a < b ? -1 : 1)) };
}

describe('the digest of a payload', () => {
  const digest = (changes: Record<string, unknown>): string =>
    payloadDigest(sample(changes)).toString('hex');
  const before = digest({});

  test('never changes: dedupe tables hold it', () => {
    expect(before).toBe('99221fc5ca35ff0851b3c57bdf2955264a1e0b8a4305852ef8cb3d93be46e934');
  });

  test.for<[string, Record<string, unknown>]>([
    ['the time', { time: '2027-01-01T00:00:00Z' }],
    ['the trace', { traceparent: 'x', tracestate: 'y' }],
    ['the version it was decided on', { aggregateversion: 7 }],
  ])('does not depend on %s', ([, changes]) => {
    expect(digest(changes)).toBe(before);
  });

  test.for<[string, Record<string, unknown>]>([
    ['the data', { data: { content: 'Ada prefers coffee to tea.', kind: 'preference' } }],
    ['a field no schema names', { mood: 'calm' }],
    ['the tenant', { tenantid: 'other' }],
    ['the correlation', { correlationid: 'request-2' }],
    ['the version of the schema', { schemaversion: 1 }],
  ])('depends on %s', ([, changes]) => {
    expect(digest(changes)).not.toBe(before);
  });

  test('the time counts if it was given, not stamped; another notation is the same time', () => {
    const a = sample() as Envelope;
    const later = sample({ time: '2026-01-31T12:00:01Z' }) as Envelope;
    const elsewhere = sample({ time: '2026-01-31T13:00:00.000+01:00' }) as Envelope;
    expect(samePayload(a, later, true)).toBe(false);
    expect(samePayload(a, later, false)).toBe(true);
    expect(samePayload(a, elsewhere, true)).toBe(true);
  });

  test('bytes that are no event equal nothing, not even themselves', () => {
    expect(saysTheSame(bytesOf(sample()), bytesOf(sample()), true)).toBe(true);
    expect(saysTheSame(bytesOf('{}'), bytesOf('{}'), true)).toBe(false);
    expect(
      saysTheSame(
        bytesOf(sample({ type: 'memory.dreamt' })),
        bytesOf(sample({ type: 'memory.dreamt' })),
        true,
      ),
    ).toBe(true);
  });
});
