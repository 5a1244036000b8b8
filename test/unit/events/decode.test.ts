import { gzipSync } from 'node:zlib';
import { MAX_DEPTH, registry } from '@memfleet/events';
import { describe, expect, test } from 'vitest';
import { bytesOf, known, refusal, sample, textWith, unread } from './sample.ts';

const valid = JSON.stringify(sample());

describe('bytes that are no event are refused with a reason', () => {
  test.for<[string, Uint8Array, RegExp]>([
    ['nothing', new Uint8Array(), /not JSON/],
    ['blanks', bytesOf('  \n'), /not JSON/],
    ['truncated', bytesOf(valid.slice(0, -1)), /not JSON/],
    [
      'cut inside a character',
      bytesOf(valid.replace('tea', 'té')).slice(0, -90),
      /not (JSON|UTF-8)/,
    ],
    ['a trailing comma', bytesOf(valid.replace(/\}$/, ',}')), /not JSON/],
    ['two documents', bytesOf(`${valid}${valid}`), /not JSON/],
    ['two lines', bytesOf(`${valid}\n${valid}`), /not JSON/],
    ['a comment', bytesOf(`/* a */${valid}`), /not JSON/],
    ['gzip', new Uint8Array(gzipSync(valid)), /not UTF-8/],
    ['an HTML page', bytesOf('<!doctype html><title>502</title>'), /not JSON/],
    ['a NaN literal', bytesOf(textWith('"x":NaN')), /not JSON/],
    ['an Infinity literal', bytesOf(textWith('"x":Infinity')), /not JSON/],
    ['single quotes', bytesOf("{'a':1}"), /not JSON/],
    ['a bare NUL in a string', bytesOf(textWith('"x":"a\u0000b"')), /not JSON/],
    ['UTF-16', new Uint8Array(Buffer.from(valid, 'utf16le')), /not JSON/],
    ['a byte order mark', bytesOf(`\uFEFF${valid}`), /not JSON/],
    [
      'invalid UTF-8',
      Buffer.concat([bytesOf('{"a":"'), Buffer.from([0xff]), bytesOf('"}')]),
      /not UTF-8/,
    ],
    [
      'an overlong slash',
      Buffer.concat([bytesOf('{"a":"'), Buffer.from([0xc0, 0xaf]), bytesOf('"}')]),
      /not UTF-8/,
    ],
    [
      'an overlong NUL',
      Buffer.concat([bytesOf('{"a":"'), Buffer.from([0xc0, 0x80]), bytesOf('"}')]),
      /not UTF-8/,
    ],
    [
      'a surrogate as UTF-8',
      Buffer.concat([bytesOf('{"a":"'), Buffer.from([0xed, 0xa0, 0x80]), bytesOf('"}')]),
      /not UTF-8/,
    ],
    ['null', bytesOf('null'), /expected object/],
    ['an array', bytesOf(`[${valid}]`), /expected object/],
    ['a bare string', bytesOf('"memory.created"'), /expected object/],
    ['a number', bytesOf('42'), /expected object/],
    ['a boolean', bytesOf('true'), /expected object/],
    ['an empty object', bytesOf('{}'), /specversion.*id.*source.*type/],
  ])('%s', ([, bytes, reason]) => {
    expect(refusal(bytes)).toMatch(reason);
  });
});

describe('an envelope is refused with the field at fault', () => {
  test.for<[string, Record<string, unknown>, RegExp]>([
    ['another specversion', { specversion: '0.3' }, /^specversion/],
    ['no id', { id: undefined }, /^id/],
    ['an empty id', { id: '' }, /^id/],
    ['an id that is no UUID', { id: 'event-1' }, /^id/],
    ['a UUID in braces', { id: '{019c1234-0000-7000-8000-000000000001}' }, /^id/],
    ['a UUID without hyphens', { id: '019c123400007000800000000000000a' }, /^id/],
    ['a UUID of version 0', { id: '019c1234-0000-0000-8000-000000000001' }, /^id/],
    ['a numeric id', { id: 1 }, /^id/],
    ['no source', { source: undefined }, /^source/],
    ['an empty source', { source: '' }, /^source/],
    ['an endless source', { source: 'x'.repeat(257) }, /^source/],
    ['no type', { type: undefined }, /^type/],
    ['a numeric type', { type: 7 }, /^type/],
    ['no time', { time: undefined }, /^time/],
    ['time without an offset', { time: '2026-01-31T12:00:00' }, /^time.*offset/],
    ['a date alone', { time: '2026-01-31' }, /^time/],
    ['time without seconds', { time: '2026-01-31T12:00Z' }, /^time/],
    ['a blank for the T', { time: '2026-01-31 12:00:00Z' }, /^time/],
    ['time as a number', { time: 1_769_860_800_000 }, /^time/],
    ['30 February', { time: '2026-02-30T12:00:00Z' }, /^time/],
    ['29 February of a common year', { time: '2025-02-29T12:00:00Z' }, /^time/],
    ['month 13', { time: '2026-13-01T12:00:00Z' }, /^time/],
    ['hour 24', { time: '2026-01-31T24:00:00Z' }, /^time/],
    ['the year 0', { time: '0000-06-01T00:00:00Z' }, /^time/],
    ['the year 10000', { time: '+010000-01-01T00:00:00Z' }, /^time/],
    ['before the year 1, by its offset', { time: '0001-01-01T00:00:00+01:00' }, /^time/],
    ['after the year 9999, by its offset', { time: '9999-12-31T23:59:59-01:00' }, /^time/],
    ['an offset of 16 hours', { time: '2026-01-31T12:00:00+16:00' }, /^time/],
    [
      'a fraction of a hundred digits',
      { time: `2026-01-31T12:00:00.${'1'.repeat(100)}Z` },
      /^time/,
    ],
    ['another content type', { datacontenttype: 'text/plain' }, /^datacontenttype/],
    ['no data', { data: undefined }, /^data/],
    ['data null', { data: null }, /^data/],
    ['data as an array', { data: [] }, /^data/],
    ['data as text', { data: '{}' }, /^data/],
    ['no version', { schemaversion: undefined }, /^schemaversion/],
    ['version 0', { schemaversion: 0 }, /^schemaversion/],
    ['a negative version', { schemaversion: -1 }, /^schemaversion/],
    ['half a version', { schemaversion: 1.5 }, /^schemaversion/],
    ['a version as text', { schemaversion: '2' }, /^schemaversion/],
    ['a version beyond integers', { schemaversion: 2 ** 53 }, /^schemaversion/],
    ['no correlation', { correlationid: undefined }, /^correlationid/],
    ['no cause', { causationid: undefined }, /^causationid/],
    ['a negative memory version', { aggregateversion: -1 }, /^aggregateversion/],
    ['half a memory version', { aggregateversion: 0.5 }, /^aggregateversion/],
    [
      'a traceparent in capitals',
      { traceparent: `00-${'A'.repeat(32)}-${'b'.repeat(16)}-01` },
      /^traceparent/,
    ],
    ['NUL in the source', { source: 'a\u0000b' }, /^source.*U\+0000/],
    ['half a pair in the correlation', { correlationid: '\uD83D' }, /^correlationid.*surrogate/],
  ])('%s', ([, changes, reason]) => {
    expect(refusal(bytesOf(sample(changes)))).toMatch(reason);
  });

  const fields = ['tenantid', 'subject'] as const;
  const bad = [
    '',
    ' ',
    'a b',
    'a.b',
    '*',
    '>',
    'a*',
    'a>',
    'a\u0000',
    'é',
    'a\n',
    '\u202Ea',
    'a'.repeat(65),
    5,
    null,
  ];
  test.for(fields.flatMap((field) => bad.map((value) => [field, value] as const)))(
    '%s %j is no safe subject token',
    ([field, value]) => {
      expect(refusal(bytesOf(sample({ [field]: value })))).toMatch(new RegExp(`^${field}`));
    },
  );

  const good = ['a', 'A_z-9', '-', 'a'.repeat(64), '__proto__', 'constructor'];
  test.for(fields.flatMap((field) => good.map((value) => [field, value] as const)))(
    '%s %s is one',
    ([field, value]) => {
      expect(registry.decode(bytesOf(sample({ [field]: value }))).kind).toBe('known');
    },
  );

  test('a reason quotes no contents', () => {
    const secret = 'hunter2-hunter2';
    for (const bytes of [
      bytesOf(`{"content":"${secret}`),
      bytesOf(sample({ data: { content: 'x', kind: secret } })),
      bytesOf(sample({ data: { content: `${secret}\u0000` } })),
      bytesOf(sample({ time: secret, id: secret })),
    ]) {
      expect(refusal(bytes)).not.toContain(secret);
    }
  });
});

describe('data are refused with the field at fault', () => {
  test.for<[string, Record<string, unknown>, RegExp]>([
    ['no content', {}, /^data\.content/],
    ['empty content', { content: '' }, /^data\.content/],
    ['content beyond 60,000 characters', { content: 'x'.repeat(60_001) }, /^data\.content/],
    ['content that is no text', { content: ['x'] }, /^data\.content/],
    ['NUL in the content', { content: 'a\u0000b' }, /^data\.content.*U\+0000/],
    ['half a pair in the content', { content: 'a\uDC00' }, /^data\.content.*surrogate/],
    ['an unknown kind', { content: 'x', kind: 'rumour' }, /^data\.kind/],
    ['a prototype name as the kind', { content: 'x', kind: 'constructor' }, /^data\.kind/],
    ['importance over 1', { content: 'x', importance: 1.01 }, /^data\.importance/],
    ['scope as text', { content: 'x', scope: 'u-1' }, /^data\.scope/],
    ['NUL in a scope', { content: 'x', scope: { user: '\u0000' } }, /^data\.scope\.user/],
    [
      'valid_from without an offset',
      { content: 'x', valid_from: '2026-01-31T12:00:00' },
      /^data\.valid_from/,
    ],
    [
      'valid_from out of range',
      { content: 'x', valid_from: '0001-01-01T00:00:00+14:00' },
      /^data\.valid_from/,
    ],
  ])('%s', ([, data, reason]) => {
    expect(refusal(bytesOf(sample({ data })))).toMatch(reason);
  });

  test('several faults are all named', () => {
    const reason = refusal(
      bytesOf(sample({ data: { content: '', kind: 'rumour', importance: -1 } })),
    );
    expect(reason.split('; ')).toHaveLength(3);
  });
});

describe('fields that no schema names are kept, or refused when they cannot be', () => {
  test('unknown fields are kept, in the envelope and in the data', () => {
    const extra = { content: 'x', mood: { calm: [1, null, 'é'] }, constructor: 1, toString: 'y' };
    const event = sample({ sequencetype: 'Integer', valueOf: 3, data: extra });
    const { event: read, envelope } = known(registry.decode(bytesOf(event)));
    expect(envelope).toEqual(event);
    expect(read).toMatchObject({ sequencetype: 'Integer', valueOf: 3, data: extra });
  });

  test.for<[string, string, RegExp]>([
    ['an escaped NUL', '"x":"\\u0000"', /U\+0000/],
    ['an escaped NUL in a list', '"x":[[{"y":"\\u0000"}]]', /U\+0000/],
    ['an escaped NUL in a name', '"a\\u0000":1', /U\+0000/],
    ['half a pair', '"x":"\\ud83d"', /surrogate/],
    ['halves in the wrong order', '"x":"\\udc00\\ud83d"', /surrogate/],
    ['half a pair in a name', '"\\udc00":1', /surrogate/],
    ['1e999', '"x":1e999', /double precision/],
    ['-1e999 in a list', '"x":[-1e999]', /double precision/],
    ['an integer of 400 digits', `"x":${'9'.repeat(400)}`, /double precision/],
    ['a field called __proto__', '"__proto__":{"polluted":true}', /__proto__/],
    ['the same, spelt with escapes', '"\\u005f_proto__":{"polluted":true}', /__proto__/],
    ['the same, deep inside', '"x":[{"__proto__":1}]', /__proto__/],
  ])('%s', ([, member, reason]) => {
    expect(refusal(bytesOf(textWith(member, 'envelope')))).toMatch(reason);
    expect(refusal(bytesOf(textWith(member, 'data')))).toMatch(reason);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('escapes of storable characters are accepted', () => {
    const { event } = known(
      registry.decode(bytesOf(textWith('"x":"\\u00e9\\ud83d\\ude00"', 'data'))),
    );
    expect(event.data).toMatchObject({ x: 'é😀' });
    expect(registry.decode(bytesOf(textWith('"x":"__proto__"', 'data'))).kind).toBe('known');
  });

  test('nesting', () => {
    // The envelope and its data are two levels of the hundred.
    const nested = (levels: number): string => `"x":${'['.repeat(levels)}${']'.repeat(levels)}`;
    expect(registry.decode(bytesOf(textWith(nested(MAX_DEPTH - 2), 'data'))).kind).toBe('known');
    expect(refusal(bytesOf(textWith(nested(MAX_DEPTH - 1), 'data')))).toMatch(/levels deep/);
    expect(refusal(bytesOf(textWith(nested(100_000), 'data')))).toMatch(/levels deep/);
    expect(refusal(bytesOf('['.repeat(100_000)))).toMatch(/not JSON/);
    const objects = `"x":${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`;
    expect(refusal(bytesOf(textWith(objects, 'data')))).toMatch(/levels deep/);
  });

  test('100,000 fields and a text of 5 MB are no trouble to a reader', () => {
    const names = Array.from({ length: 100_000 }, (_, index) => `"k${index}":${index}`);
    const { event } = known(registry.decode(bytesOf(textWith(names.join(','), 'data'))));
    expect(Object.keys(event.data).length).toBeGreaterThan(100_000);
    const long = registry.decode(bytesOf(textWith(`"x":"${'y'.repeat(5_000_000)}"`, 'data')));
    expect(long.kind).toBe('known');
  });
});

describe('the subject in the log must agree with the body', () => {
  const stored = (subject: string) =>
    registry.decode(bytesOf(sample()), { root: 'memory', subject });

  test('the right one', () => {
    expect(stored('memory.3.acme.m-1.content.created').kind).toBe('known');
  });

  test.for<[string, string, RegExp]>([
    ['another tenant', 'memory.3.evil.m-1.content.created', /tenant/],
    ['another memory', 'memory.3.acme.m-2.content.created', /memory/],
    ['another verb', 'memory.3.acme.m-1.content.revised', /verb/],
    ['another class', 'memory.3.acme.m-1.usage.created', /class/],
    ['an unknown class', 'memory.3.acme.m-1.other.created', /not one of the log/],
    ['another root', 'other.3.acme.m-1.content.created', /not one of the log/],
    ['without a partition', 'memory.acme.m-1.content.created', /not one of the log/],
    ['one token more', 'memory.3.acme.m-1.content.created.x', /not one of the log/],
  ])('%s', ([, subject, reason]) => {
    expect(unread(stored(subject))).toMatch(/^invalid/);
    expect(unread(stored(subject))).toMatch(reason);
  });

  test('applies to unknown types, too', () => {
    const bytes = bytesOf(sample({ type: 'memory.dreamt' }));
    const at = (tenant: string) =>
      registry.decode(bytes, { root: 'memory', subject: `memory.0.${tenant}.m-1.content.dreamt` });
    expect(at('acme').kind).toBe('unknown');
    expect(at('evil').kind).toBe('invalid');
  });
});

test('the bytes are left as they are', () => {
  const bytes = bytesOf(sample({ schemaversion: 1, data: { content: 'x' } }));
  const before = Uint8Array.from(bytes);
  known(registry.decode(bytes));
  expect(bytes).toEqual(before);
});

test('a view into a larger buffer is read at its own place', () => {
  const bytes = bytesOf(sample());
  const buffer = new Uint8Array(bytes.length + 20).fill(0x20);
  buffer.set(bytes, 7);
  expect(registry.decode(buffer.subarray(7, 7 + bytes.length)).kind).toBe('known');
});
