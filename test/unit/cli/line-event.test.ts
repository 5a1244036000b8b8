import { registry } from '@memfleet/events';
import { expect, test } from 'vitest';
import { eventOfLine, LineProblem } from '../../../workers/cli/src/publish/line-event.ts';
import { Occurrences } from '../../../workers/cli/src/publish/occurrences.ts';

const now = new Date('2026-01-31T12:00:00Z');

function reader(source = '/test'): (line: unknown) => ReturnType<typeof eventOfLine> {
  const options = { source, occurrences: new Occurrences(), now };
  return (line) => eventOfLine(typeof line === 'string' ? line : JSON.stringify(line), options);
}

const line = {
  tenant: 'acme',
  memory: 'm-1',
  type: 'memory.created',
  data: { content: 'Ada prefers tea.' },
};

const idOf = (read: ReturnType<typeof reader>, value: unknown): unknown => read(value).event['id'];

test('a short form becomes a valid envelope of the latest version, at the given moment', () => {
  const { event, timeIsAssigned } = reader()(line);
  expect(registry.upcast(event).kind).toBe('known');
  expect(event).toMatchObject({ schemaversion: 3, time: '2026-01-31T12:00:00.000Z' });
  expect(event['correlationid']).toBe(event['id']);
  expect(event['causationid']).toBe(event['id']);
  expect(timeIsAssigned).toBe(true);
  expect(reader()({ ...line, time: '2026-01-31T12:00:00Z' }).timeIsAssigned).toBe(false);
});

test("the id follows from a line's content and from the number of earlier equal lines", () => {
  const first = reader();
  const ids = [line, line, { ...line, memory: 'm-2' }].map((value) => idOf(first, value));
  expect(new Set(ids).size).toBe(3);
  const reordered = reader();
  const others = [{ ...line, memory: 'm-2' }, line, line].map((value) => idOf(reordered, value));
  expect(others).toEqual([ids[2], ids[0], ids[1]]);
});

test('any other difference in a line makes it another event', () => {
  const variants = [
    line,
    { ...line, time: '2026-01-31T12:00:00Z' },
    { ...line, correlation: 'c' },
    { ...line, version: 1 },
    { ...line, tenant: 'other' },
    { ...line, data: { content: 'Ada prefers tea!' } },
  ];
  const ids = variants.map((variant) => idOf(reader(), variant));
  ids.push(idOf(reader('/other'), line));
  expect(new Set(ids).size).toBe(ids.length);
});

test('an envelope is passed on unchanged, even a broken one: the publisher reports the problem', () => {
  const broken = { specversion: '1.0', id: 7 };
  expect(reader()(broken)).toEqual({ event: broken, timeIsAssigned: false });
  const withoutMark = { tenantid: 'acme', type: 'memory.created' };
  expect(reader()(withoutMark).event).toEqual(withoutMark);
});

test.each([
  ['', 'the line is not JSON'],
  ['{"tenant":', 'the line is not JSON'],
  ['{} {}', 'the line is not JSON'],
  ['NaN', 'the line is not JSON'],
  ['[]', 'the line is not a JSON object'],
  ['"text"', 'the line is not a JSON object'],
  ['7', 'the line is not a JSON object'],
  [{ ...line, tenant: undefined }, 'tenant: must be 1 to 64 letters, digits, "_" or "-"'],
  [{ ...line, memory: 'a.b' }, 'memory: must be 1 to 64 letters, digits, "_" or "-"'],
  [{ ...line, tenant: '>' }, 'tenant: must be 1 to 64 letters, digits, "_" or "-"'],
  [{ ...line, type: 7 }, 'type: must be a text'],
  [{ ...line, type: 'memory.forgoten' }, 'type: not a known type, did you mean memory.forgotten?'],
  [{ ...line, type: 'constructor' }, 'type: not a known type'],
  [{ ...line, data: [] }, 'data: must be an object'],
  [{ ...line, data: null }, 'data: must be an object'],
  [{ ...line, id: null }, 'id: must be a text'],
  [{ ...line, time: 7 }, 'time: must be a text'],
  [{ ...line, version: 0 }, 'version: must be a whole number from 1'],
  [{ ...line, tennant: 'x' }, 'tennant: not a field of the short form, did you mean tenant?'],
  [
    { ...line, 'a secret that is long and has blanks': 1 },
    'a field: not a field of the short form',
  ],
  [
    { type: 'memory.created' },
    'tenant: must be 1 to 64 letters, digits, "_" or "-"; memory: must be 1 to 64 letters, digits, "_" or "-"; data: must be an object',
  ],
])('%j is refused: %s', (value, reason) => {
  expect(() => reader()(value)).toThrow(new LineProblem(reason));
});

test('nesting that JSON.parse accepts but overflows a recursive writer is a bad line', () => {
  const deep = '['.repeat(400_000) + ']'.repeat(400_000);
  const text = `{"tenant":"a","memory":"m","type":"memory.created","data":{"content":"x","deep":${deep}}}`;
  expect(() => reader()(text)).toThrow(LineProblem);
});
