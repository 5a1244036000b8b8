import { derivedEventId, eventKey, nameBasedId, newEventId } from '@memfleet/events';
import fc from 'fast-check';
import { expect, test } from 'vitest';

const identity = {
  tenantid: 'acme',
  source: '/agents/a',
  id: '019c1234-0000-7000-8000-000000000001',
};

test('a new id is a UUIDv7 and sorts after the one before', () => {
  const ids = Array.from({ length: 100 }, () => newEventId());
  const uuid7 = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;
  for (const id of ids) expect(id).toMatch(uuid7);
  expect(ids.toSorted()).toEqual(ids);
  expect(new Set(ids).size).toBe(ids.length);
});

test('name-based ids never change: events in a log are named by them', () => {
  expect(nameBasedId('a', 'b')).toBe('3d5a123d-0fa1-5ca5-8ce7-18ae487eadd0');
  expect(eventKey(identity)).toBe('c08afcb0-41bb-8113-938d-f7ff331b2499');
  expect(derivedEventId(identity, 'extraction', 1, 0)).toBe('3377011b-a372-58e0-9669-0df8675c4151');
});

test('a derived id depends on each of its parts', () => {
  const ids = [
    derivedEventId(identity, 'extraction', 1, 0),
    derivedEventId(identity, 'extraction', 1, 1),
    derivedEventId(identity, 'extraction', 2, 0),
    derivedEventId(identity, 'embedding', 1, 0),
    derivedEventId({ ...identity, tenantid: 'other' }, 'extraction', 1, 0),
    derivedEventId({ ...identity, source: '/agents/b' }, 'extraction', 1, 0),
  ];
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id[14]).toBe('5');
});

test('names that read alike when joined are different names', () => {
  expect(nameBasedId('a', 'b')).not.toBe(nameBasedId('a,b'));
  expect(nameBasedId('a', 'b')).not.toBe(nameBasedId('a","b'));
  expect(nameBasedId('')).not.toBe(nameBasedId());
});

test('no two events of different tenants or sources share a key, even with equal ids', () => {
  const tenant = fc.stringMatching(/^[A-Za-z0-9_-]{1,8}$/);
  const part = fc
    .string({ unit: 'binary', maxLength: 12 })
    .filter((text) => !text.includes('\u0000'));
  const event = fc.record({ tenantid: tenant, source: part, id: part });
  fc.assert(
    fc.property(event, event, (a, b) => {
      const isSame = a.tenantid === b.tenantid && a.source === b.source && a.id === b.id;
      return (eventKey(a) === eventKey(b)) === isSame;
    }),
  );
  // The same letters, divided differently between two parts, are another event.
  expect(eventKey({ tenantid: 'a', source: 'bc', id: 'd' })).not.toBe(
    eventKey({ tenantid: 'ab', source: 'c', id: 'd' }),
  );
});
