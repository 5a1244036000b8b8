import { eventKey, publishSubject } from '@memfleet/events';
import { expect, test } from 'vitest';
import type { Delivery } from '../../../shared/runtime/src/broker/delivery.ts';
import { Slots } from '../../../shared/stages/src/admission/slots.ts';
import { Patience } from '../../../shared/stages/src/pipeline/patience.ts';
import { type ReadBatch, readBatch } from '../../../shared/stages/src/pipeline/read.ts';
import { memoryCreated } from '../../support/events.ts';

interface Message {
  readonly body: unknown;
  /** Its position in the log; by default its place in the batch. */
  readonly at?: number;
  readonly verb?: string;
  readonly tenant?: string;
  readonly deliveries?: number;
}

function read(...messages: readonly Message[]): ReadBatch {
  return readWith(new Patience(), ...messages);
}

function readWith(patience: Patience, ...messages: readonly Message[]): ReadBatch {
  const slots = new Slots(100);
  const batch = messages.map(
    ({ body, at, verb = 'created', tenant = 'acme', deliveries = 1 }, index) => {
      const sequence = at ?? index + 1;
      const subject = publishSubject('memory.3', tenant, 'note', 'content', verb);
      const data = body instanceof Uint8Array ? body : Buffer.from(JSON.stringify(body));
      // The parts of a delivery that reading uses.
      const delivery: Pick<Delivery, 'data' | 'subject' | 'info'> = {
        data,
        subject,
        info: {
          consumer: 'c',
          deliveryCount: deliveries,
          streamSequence: sequence,
          deliverySequence: sequence,
          timestampNanos: 0,
          pending: 0,
        },
      };
      return slots.hold(delivery as Delivery);
    },
  );
  return readBatch(batch, 'memory', patience);
}

test('a known event asks for its claim with key, place and digest', () => {
  const event = memoryCreated('a note');
  const { readable, twins, unreadable } = read({ body: event });
  expect(readable[0]?.request).toMatchObject({
    key: eventKey(event),
    tenant: 'acme',
    eventId: event.id,
    sequence: 1,
  });
  expect(readable[0]?.request.digest).toHaveLength(32);
  expect([twins, unreadable]).toEqual([[], []]);
});

test('a twin is set apart; the same id of another tenant is no twin', () => {
  const event = memoryCreated('a note');
  const { readable, twins } = read(
    { body: event },
    { body: event },
    { body: { ...event, tenantid: 'other' }, tenant: 'other' },
  );
  expect(readable).toHaveLength(2);
  expect(twins).toHaveLength(1);
});

test.each([[[500, 10, 100]], [[10, 500, 100]], [[100, 500, 10]]])(
  'of copies at %j the first of the log is claimed',
  (positions) => {
    const event = memoryCreated('a note');
    const { readable, twins } = read(...positions.map((at) => ({ body: event, at })));
    expect(readable.map(({ request }) => request.sequence)).toEqual([10]);
    const others = twins.map(({ message }) => message.info.streamSequence);
    expect(new Set(others)).toEqual(new Set([100, 500]));
  },
);

test.each<[string, Uint8Array]>([
  ['nothing', new Uint8Array()],
  ['no UTF-8', new Uint8Array([0xc3, 0x28])],
  ['a bare string', Buffer.from('"text"')],
  ['an array', Buffer.from('[]')],
  ['null', Buffer.from('null')],
  ['cut off', Buffer.from('{"specversion":"1.0"')],
  ['two documents', Buffer.from('{}{}')],
  ['an HTML page', Buffer.from('<html></html>')],
  ['gzip', new Uint8Array([0x1f, 0x8b, 0x08, 0x00])],
])('%s is parked as an invalid event', (_, body) => {
  const { readable, unreadable } = read({ body }, { body: memoryCreated('a neighbour') });
  expect(unreadable[0]?.outcome).toMatchObject({ kind: 'park', reason: 'invalid_event' });
  expect(readable).toHaveLength(1);
});

test('an event whose subject contradicts its body is parked', () => {
  const { unreadable } = read({ body: memoryCreated('a note'), tenant: 'mallory' });
  expect(unreadable[0]?.outcome).toMatchObject({ kind: 'park', reason: 'invalid_event' });
});

test.each([
  ['newer_version', { schemaversion: 99 }, 'created'],
  ['unknown_type', { type: 'memory.invented' }, 'invented'],
] as const)('%s is left to a newer worker for ten minutes, then parked', (reason, change, verb) => {
  const body = { ...memoryCreated('from tomorrow'), ...change };
  let now = 0;
  const patience = new Patience(() => now);
  // Frequent deliveries for other reasons, such as an outage, do not count.
  const read1 = readWith(patience, { body, verb, deliveries: 500 });
  expect([read1.early.length, read1.unreadable]).toEqual([1, []]);
  expect(read1.early[0]?.decoded.reason).toMatch(/newer than|unknown event type/);
  now = 599_999;
  const others = [{ body: memoryCreated('known') }, { body, verb }];
  const read2 = readWith(patience, { body, verb }, ...others);
  expect([read2.early.length, read2.readable.length, read2.unreadable]).toEqual([2, 1, []]);
  now = 600_000;
  const read3 = readWith(patience, { body, verb }, ...others);
  expect(read3.unreadable.map(({ outcome }) => outcome)).toMatchObject([{ kind: 'park', reason }]);
  // The other event was met later.
  expect(read3.early).toHaveLength(1);
});
