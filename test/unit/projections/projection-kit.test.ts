import { randomUUID } from 'node:crypto';
import type { MemoryExtracted } from '@memfleet/events';
import {
  defineProjection,
  earliest,
  type Handler,
  keyedTable,
  latest,
  logTable,
  type Operation,
  type Projection,
  type ProjectionFixture,
  type Row,
  SEALED,
  setTable,
} from '@memfleet/projections';
import { describe, expect, test } from 'vitest';
import { ProjectionFault } from '../../support/projection-kit/fault.ts';
import { proveFixture } from '../../support/projection-kit/prove-fixture.ts';
import { proveGenerated } from '../../support/projection-kit/prove-generated.ts';

const home = new URL('../../integration/projections/notes/projection.ts', import.meta.url).href;

const notes = keyedTable('notes', {
  key: { tenant: 'text', memory: 'text' },
  groups: { content: { guard: 'content_seq', columns: { content: 'text' } } },
});
const revisions = logTable('revisions', { columns: { memory: 'text' } });

type Definition = Parameters<typeof defineProjection>[0];

function define(
  handlers: Definition['handlers'],
  rest: Partial<Pick<Definition, 'tables' | 'repeatable'>> = {},
): Projection {
  return defineProjection({
    name: 'planted',
    version: 1,
    home,
    tables: [notes, revisions],
    handlers,
    ...rest,
  });
}

/** One note with any content. */
function note(
  { tenantid, subject }: { readonly tenantid: string; readonly subject: string },
  sequence: number,
  content: string,
): Operation[] {
  const guard = latest(sequence);
  return [
    notes.write({ tenant: tenantid, memory: subject }, { content: { guard, row: { content } } }),
  ];
}

/** The fault that the kit reports. */
function faultOf(projection: Projection): ProjectionFault {
  try {
    proveGenerated(projection, { runs: 30, seed: 7 });
  } catch (error) {
    if (error instanceof ProjectionFault) return error;
    throw error;
  }
  throw new Error('the kit has found nothing');
}

test('a correct projection passes', () => {
  const right = define({
    'memory.created': (event, at) => note(event, at.sequence, event.data.content),
    'memory.revised': (event, at) => [
      ...note(event, at.sequence, new Date(event.time).toISOString()),
      revisions.add(at, { memory: event.subject }),
    ],
  });
  expect(proveGenerated(right, { runs: 30, seed: 7 })).toBe(30);
});

describe('a handler that depends on the day is named', () => {
  const created = (content: () => unknown): Projection =>
    define({
      'memory.created': (event, at) => note(event, at.sequence, String(content())),
    });

  test.each<[string, () => unknown]>([
    ['Date.now', () => Date.now()],
    ['new Date()', () => new Date()],
    ['Date()', () => Date()],
    ['Date.prototype.getHours', () => new Date(0).getHours()],
    ['Date.prototype.toLocaleString', () => new Date(0).toLocaleString('en')],
    ['String.prototype.localeCompare', () => 'a'.localeCompare('b')],
    ['Math.random', () => Math.random()],
    ['performance.now', () => performance.now()],
    ['process.hrtime.bigint', () => process.hrtime.bigint()],
    ['crypto.randomUUID', () => randomUUID()],
    ['crypto.randomUUID', () => crypto.randomUUID()],
    ['crypto.getRandomValues', () => crypto.getRandomValues(new Uint8Array(4))],
    ['process.env', () => process.env['HOME']],
    ['fetch', () => void fetch('http://127.0.0.1:1')],
    ['setTimeout', () => setTimeout(() => undefined, 0)],
  ])('%s', (name, content) => {
    const fault = faultOf(created(content));
    expect(fault.check).toBe('frozen globals');
    expect(fault.message).toContain(`the handler of memory.created uses ${name}`);
    expect(fault.message).toMatch(/position \d+, memory\.created of t-\d\/m-\d/);
    expect(fault.message).toContain('take times from event.time');
  });

  test('even when the handler hides it', () => {
    const hiding = created(() => {
      try {
        return Date.now();
      } catch {
        return 'no clock';
      }
    });
    expect(faultOf(hiding).message).toContain('uses Date.now');
  });

  test('and outside of handlers nothing is frozen', () => {
    expect(faultOf(created(() => Date.now())).check).toBe('frozen globals');
    expect(Date.now()).toBeGreaterThan(0);
    expect(new Date().getTime()).toBeGreaterThan(0);
    expect(randomUUID()).toMatch(/-/);
    expect(process.env['PATH']).toBeDefined();
  });
});

test('a handler with a counter', () => {
  const counts = new Map<string, number>();
  const fault = faultOf(
    define({
      'memory.revised': (event, at) => {
        const count = (counts.get(event.subject) ?? 0) + 1;
        counts.set(event.subject, count);
        return note(event, at.sequence, `${count} revisions`);
      },
    }),
  );
  expect(fault.check).toBe('twice');
  expect(fault.message).toContain('gives other rows when it is asked a second time');
  expect(fault.message).toContain(`add a row per event to a log table`);
});

test('a handler that remembers the event before', () => {
  let last = { id: '', content: '' };
  const fault = faultOf(
    define({
      'memory.revised': (event, at) => {
        // Called twice in a row it gives the same: only another order reveals it.
        const content = last.id === event.id ? last.content : last.id;
        last = { id: event.id, content };
        return note(event, at.sequence, content);
      },
    }),
  );
  expect(fault.check).toBe('twice');
  expect(fault.message).toContain('in another order of events');
});

describe('rows shared by memories', () => {
  const shared = keyedTable('notes', {
    key: { tenant: 'text' },
    groups: { content: { guard: 'content_seq', columns: { content: 'text' } } },
  });
  const lastExtraction =
    (guardOf: (event: MemoryExtracted, sequence: number) => number): Handler<'memory.extracted'> =>
    (event, at) => [
      shared.write(
        { tenant: event.tenantid },
        { content: { guard: guardOf(event, at.sequence), row: { content: event.subject } } },
      ),
    ];

  test('depend on the order of memories when two of them may have the same guard', () => {
    const fault = faultOf(
      define(
        { 'memory.extracted': lastExtraction(({ data }) => latest(data.cause.sequence)) },
        { tables: [shared] },
      ),
    );
    expect(fault.check).toBe('lanes');
    expect(fault.message).toMatch(/notes, row tenant 't-\d'\n/);
    expect(fault.message.match(/event: position \d+, memory\.extracted/g)).toHaveLength(2);
    expect(fault.message).toContain('tenant and memory in the key');
    expect(fault.message).toContain('the shortest failing log has 2 events');
  });

  test('do not when the guard is the position of the event itself', () => {
    const handlers = { 'memory.extracted': lastExtraction((_, sequence) => latest(sequence)) };
    expect(proveGenerated(define(handlers, { tables: [shared] }), { runs: 30, seed: 7 })).toBe(30);
  });
});

test.each([
  ['none', () => 0],
  ['the clock of the publisher', (time: string) => Date.parse(time)],
  ['a counter of its own', (_: string, sequence: number) => sequence % 2],
])('a guard that is no position: %s', (_, guardOf) => {
  const fault = faultOf(
    define({
      'memory.created': ({ tenantid, subject, time, data: { content } }, at) => [
        notes.write(
          { tenant: tenantid, memory: subject },
          { content: { guard: guardOf(time, at.sequence), row: { content } } },
        ),
      ],
    }),
  );
  expect(fault.check).toBe('guards');
  expect(fault.message).toContain('which is no position of the log');
  expect(fault.message).toContain('latest(at.sequence)');
});

test.each([['the event', true] as const, ['what it gave before', false] as const])(
  'a handler that changes %s',
  (_, isEvent) => {
    const kept: { content: string }[] = [];
    const fault = faultOf(
      define({
        'memory.created': (event, at) => {
          if (isEvent) event.data.content = event.data.content.trim();
          const row = { content: event.data.content };
          for (const each of kept) each.content = 'changed';
          kept.push(row);
          return [
            notes.write(
              { tenant: event.tenantid, memory: event.subject },
              { content: { guard: latest(at.sequence), row } },
            ),
          ];
        },
      }),
    );
    expect(fault.check).toBe('frozen events');
    expect(fault.message).toContain('changes its input, or an earlier result');
    expect(fault.message).toContain('make a new value');
  },
);

test('a type wrongly listed as repeatable', () => {
  const fault = faultOf(
    define(
      { 'memory.revised': (event, at) => note(event, at.sequence, event.data.content) },
      { repeatable: ['memory.revised'] },
    ),
  );
  expect(fault.check).toBe('copies');
  expect(fault.message).toMatch(/content(?:_seq)? is .* and should be /);
  expect(fault.message).toContain('(a copy)');
  expect(fault.message).toContain('leave the type of the event out of `repeatable`');
});

test('a write that a second delivery repeats', () => {
  const fault = faultOf(
    define(
      {
        'memory.extracted': (event) =>
          note(event, event.data.cause.sequence, event.data.facts.map(({ text }) => text).join()),
      },
      { repeatable: ['memory.extracted'] },
    ),
  );
  expect(fault.check).toBe('copies');
  expect(fault.message).toContain('a copy of the first, stored later, would undo the second');
});

describe('rows that could not be written, or would be silently dropped', () => {
  const other = keyedTable('elsewhere', { key: { memory: 'text' }, groups: {} });
  const facts = setTable('extractions', {
    key: { tenant: 'text', memory: 'text' },
    group: { guard: 'cause_seq', columns: {} },
    members: { facts: { key: { subject: 'text' }, columns: { text: 'text' } } },
  });
  const about = { tenant: 't', memory: 'm' };
  const content = (row: Readonly<Record<string, unknown>>): Operation[] => [
    { table: notes, key: about, groups: { content: { guard: 1, row: row as Row } } },
  ];

  test.each<[string, () => unknown]>([
    ['is not one of the projection’s tables', () => [other.write({ memory: 'm' }, {})]],
    ['column contents is not declared here', () => content({ contents: 'x' })],
    ['column content is text, and the handler gives 5', () => content({ content: 5 })],
    ['column content is text, and the handler gives undefined', () => content({})],
    ["and the handler gives '\\x00'", () => content({ content: '\u0000' })],
    [
      'column memory is text of the key, and the handler gives null',
      () => [{ table: notes, key: { tenant: 't', memory: null }, groups: {} }],
    ],
    [
      'NaN is no guard',
      () => [{ table: notes, key: about, groups: { content: { guard: Number.NaN, row: {} } } }],
    ],
    [
      'there is no group title',
      () => [{ table: notes, key: about, groups: { title: { guard: 1, row: {} } } }],
    ],
    ['instead of a list of row operations', () => Promise.resolve([])],
    [
      'throws on a valid event: no such thing',
      () => {
        throw new Error('no such thing');
      },
    ],
    [
      'a second row for one event',
      () => [1, 2].map(() => revisions.add({ eventKey: randomKey, sequence: 1 }, { memory: 'm' })),
    ],
    [
      "two rows of facts have the same key: subject 'Ada'",
      () => [
        facts.replace(
          about,
          { guard: SEALED, row: {} },
          { facts: ['a', 'b'].map((text) => ({ subject: 'Ada', text })) },
        ),
      ],
    ],
  ])('%s', (message, give) => {
    const fault = faultOf(
      // As from a program without types.
      define(
        { 'memory.created': () => give() as Operation[] },
        { tables: [notes, revisions, facts] },
      ),
    );
    expect(fault.check).toBe('operations');
    expect(fault.message).toContain(message);
    expect(fault.message).toContain('what to do: ');
  });

  const randomKey = '00000000-0000-8000-8000-000000000001';
});

describe('fixtures', () => {
  const projection = define({
    'memory.created': (event, at) => [
      notes.write(
        { tenant: event.tenantid, memory: event.subject },
        { content: { guard: earliest(at.sequence), row: { content: event.data.content } } },
      ),
    ],
  });
  const log = [
    { type: 'memory.created', memory: 'm-1', data: { content: 'a' } },
    { copyOf: 1 },
  ] as const;

  test('say what the tables hold, with as many columns as they like', () => {
    expect(() => {
      proveFixture(projection, { name: 'x', log, tables: { notes: [{ content: 'a' }] } });
    }).not.toThrow();
  });

  test.each([
    ['missing: { content: ', { notes: [{ content: 'b' }] }],
    ['not expected: ', { notes: [] }],
    ['names the table note, which is not declared', { note: [] }],
  ] as [string, ProjectionFixture['tables']][])(
    'and the kit says where they do not: %s',
    (message, tables) => {
      expect(() => {
        proveFixture(projection, { name: 'x', log, tables });
      }).toThrow(message);
    },
  );

  test('an invalid event', () => {
    const bad = [{ type: 'memory.superseded', memory: 'm', data: { by: '' } }] as const;
    expect(() => {
      proveFixture(projection, { name: 'x', log: bad, tables: {} });
    }).toThrow('event 1 of "x" is invalid: data.by');
  });
});
