import { randomUUID } from 'node:crypto';
import {
  type Appended,
  ConflictingPayloadError,
  eventKey,
  type LogNames,
  Publisher,
  VersionConflictError,
} from '@memfleet/events';
import { connect, headers } from '@nats-io/transport-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { brokerOfFile, connectTestBroker } from '../../support/broker.ts';
import { createLogStream, uniqueLog } from '../../support/log-stream.ts';
import { lossy } from './lossy-connection.ts';
import { event, failure, storedIn } from './publishing.ts';

const broker = brokerOfFile();
let log: LogNames;
let publisher: Publisher;

beforeAll(async () => {
  log = await createLogStream(broker.connection);
  publisher = new Publisher(broker.connection, { log });
});

const stored = (memory: string, of: LogNames = log) => storedIn(broker, of, memory);

describe('append', () => {
  test('stores the event as it was written, under its subject with a partition', async () => {
    const one = event({ data: { content: 'Ada prefers tea.', mood: 'calm' } });
    const { id, sequence, duplicate } = await publisher.append(one);
    expect({ id, duplicate }).toEqual({ id: one.id, duplicate: false });
    const [found, ...others] = await stored(one.subject);
    expect(others).toEqual([]);
    expect(found?.sequence).toBe(sequence);
    expect(found?.subject).toMatch(
      new RegExp(`^${log.root}\\.[0-7]\\.acme\\.${one.subject}\\.content\\.created$`),
    );
    expect(Buffer.from(found?.bytes ?? []).toString()).toBe(JSON.stringify(one));
    expect(await publisher.versionOf('acme', one.subject)).toBe(sequence);
  });

  test('a version 1 event stays version 1 in the log, and is read as version 3', async () => {
    const one = event({ schemaVersion: 1 });
    await publisher.append(one);
    const [found] = await stored(one.subject);
    expect(Buffer.from(found?.bytes ?? []).toString()).toBe(JSON.stringify(one));
    expect(found?.event).toMatchObject({
      schemaversion: 3,
      data: { kind: 'note', valid_from: one.time },
    });
  });

  test('the same event again is a duplicate of the one stored', async () => {
    const one = event();
    const first = await publisher.append(one);
    const reordered = Object.fromEntries(Object.entries(one).toReversed());
    for (const again of [
      one,
      reordered,
      { ...one, traceparent: `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01` },
    ]) {
      expect(await publisher.append(again)).toEqual({ ...first, duplicate: true });
    }
    expect(await stored(one.subject)).toHaveLength(1);
  });

  test('the same id with another payload is a typed error, and the stored event stays', async () => {
    const one = event();
    const { sequence } = await publisher.append(one);
    const other = { ...one, data: { content: 'Ada prefers coffee to tea.' } };
    const error = await failure(publisher.append(other));
    expect(error).toBeInstanceOf(ConflictingPayloadError);
    expect(error).toMatchObject({ code: 'EVENT_CONFLICTING_PAYLOAD', sequence });
    const [found, ...others] = await stored(one.subject);
    expect(others).toEqual([]);
    expect(found?.event.data).toMatchObject({ content: 'Ada prefers tea to coffee.' });
  });

  test('another time is another payload, unless the sender filled it in', async () => {
    const one = event({ time: '2026-01-31T12:00:00Z' });
    const later = { ...one, time: '2026-01-31T12:00:05Z' };
    const { sequence } = await publisher.append(one);
    expect(await failure(publisher.append(later))).toBeInstanceOf(ConflictingPayloadError);
    expect(await publisher.append(later, { timeIsAssigned: true })).toMatchObject({
      sequence,
      duplicate: true,
    });
  });

  test('another tenant or source may use the same id: nobody suppresses another one’s event', async () => {
    const one = event();
    const ofTenant = { ...one, tenantid: 'rival' };
    const ofSource = { ...one, source: '/agents/sales' };
    const appended = [
      await publisher.append(one),
      await publisher.append(ofTenant),
      await publisher.append(ofSource),
    ];
    expect(appended.map(({ duplicate }) => duplicate)).toEqual([false, false, false]);
    expect(new Set([one, ofTenant, ofSource].map(eventKey)).size).toBe(3);
    const found = await stored(one.subject);
    expect(found.map(({ event: { tenantid, source } }) => [tenantid, source])).toEqual([
      ['acme', '/agents/support'],
      ['rival', '/agents/support'],
      ['acme', '/agents/sales'],
    ]);
  });

  test('beyond the duplicate window the event is stored again: the readers give it one effect', async () => {
    const short = await createLogStream(broker.connection, uniqueLog(), {
      duplicate_window: 100_000_000,
    });
    const own = new Publisher(broker.connection, { log: short });
    const one = event();
    const first = await own.append(one);
    let again: Appended;
    do again = await own.append(one);
    while (again.duplicate);
    expect(again.sequence).toBeGreaterThan(first.sequence);
  });

  test('a reply that was lost is asked for again, and the event is there once', async () => {
    const losing = lossy(broker.connection, (number) => (number === 1 ? 'back' : undefined));
    const one = event();
    const appended = await new Publisher(losing.connection, { log }).append(one);
    expect(appended.duplicate).toBe(true);
    expect(losing.requests()).toBe(2);
    expect((await stored(one.subject)).map(({ sequence }) => sequence)).toEqual([
      appended.sequence,
    ]);
  });
});

describe('expected version', () => {
  test('of 20 racers exactly one wins, and 19 are told the version there is', async () => {
    const memory = randomUUID();
    const { sequence: version } = await publisher.append(event({ memory }));
    const races = Array.from({ length: 20 }, (_, racer) => ({
      connection: connect({ servers: broker.url }),
      revised: event({ memory, type: 'memory.revised', data: { content: `as of racer ${racer}` } }),
    }));
    const connections = await Promise.all(races.map(({ connection }) => connection));
    const results = await Promise.allSettled(
      races.map(({ revised }, racer) =>
        new Publisher(connections[racer] ?? broker.connection, { log }).append(revised, {
          expectedVersion: version,
        }),
      ),
    );
    await Promise.all(connections.map((connection) => connection.close()));
    const won = results.filter((result) => result.status === 'fulfilled');
    const lost = results
      .filter((result) => result.status === 'rejected')
      .map(({ reason }) => reason as unknown);
    expect(won).toHaveLength(1);
    expect(lost).toHaveLength(19);
    const actualVersion = won[0]?.value.sequence;
    for (const error of lost) {
      expect(error).toBeInstanceOf(VersionConflictError);
      expect(error).toMatchObject({
        code: 'VERSION_CONFLICT',
        expectedVersion: version,
        actualVersion,
      });
    }
    const found = await stored(memory);
    expect(found.map(({ sequence }) => sequence)).toEqual([version, actualVersion]);
    expect(found[1]?.event.aggregateversion).toBe(version);
  });

  test('0 is a memory without events; other memories do not count', async () => {
    const memory = randomUUID();
    await publisher.append(event());
    expect(await publisher.versionOf('acme', memory)).toBe(0);
    const first = await publisher.append(event({ memory }), { expectedVersion: 0 });
    expect(first.duplicate).toBe(false);
    const error = await failure(publisher.append(event({ memory }), { expectedVersion: 0 }));
    expect(error).toMatchObject({ code: 'VERSION_CONFLICT', actualVersion: first.sequence });
    // The same memory id under another tenant is another memory.
    expect(
      await publisher.append(event({ memory, tenant: 'rival' }), { expectedVersion: 0 }),
    ).toMatchObject({ duplicate: false });
  });

  test('an append that was stored and not confirmed is recognised as our own', async () => {
    const memory = randomUUID();
    const { sequence: version } = await publisher.append(event({ memory }));
    const losing = lossy(broker.connection, (number) => (number === 1 ? 'back' : undefined));
    const revised = event({ memory, type: 'memory.revised', data: { content: 'Tea.' } });
    const appended = await new Publisher(losing.connection, { log }).append(revised, {
      expectedVersion: version,
    });
    expect(appended.duplicate).toBe(true);
    expect((await stored(memory)).map(({ sequence }) => sequence)).toEqual([
      version,
      appended.sequence,
    ]);
  });

  test('so it is when others have appended since, and when it is repeated much later', async () => {
    const memory = randomUUID();
    const { sequence: version } = await publisher.append(event({ memory }));
    const revised = event({ memory, type: 'memory.revised', data: { content: 'Tea.' } });
    const first = await publisher.append(revised, { expectedVersion: version });
    await publisher.append(event({ memory, type: 'memory.accessed', data: {} }));
    expect(await publisher.append(revised, { expectedVersion: version })).toEqual({
      ...first,
      duplicate: true,
    });
  });

  test('our own id with another payload is no success', async () => {
    const memory = randomUUID();
    const revised = event({ memory, type: 'memory.revised', data: { content: 'Tea.' } });
    await publisher.append(revised, { expectedVersion: 0 });
    const error = await failure(
      publisher.append({ ...revised, data: { content: 'Coffee.' } }, { expectedVersion: 0 }),
    );
    expect(error).toBeInstanceOf(ConflictingPayloadError);
  });

  test('a wildcard as tenant or memory reads nothing', async () => {
    for (const [tenant, memory] of [
      ['*', 'm-1'],
      ['acme', '*'],
      ['acme', '>'],
      ['acme', 'a.b'],
      ['', 'm-1'],
    ] as const) {
      expect(await failure(publisher.versionOf(tenant, memory))).toMatchObject({
        code: 'EVENT_INVALID',
      });
    }
  });
});

test('what somebody else stored under our Msg-Id is compared, whatever it is', async () => {
  const one = event();
  const header = headers();
  header.set('Nats-Msg-Id', eventKey(one));
  const subject = `${log.root}.acme.${one.subject}.content.created`;
  // Another program, without this package, put something that is no event there first.
  await using own = await connectTestBroker();
  const scratch = await createLogStream(own.connection);
  await own.connection.request(subject.replace(log.root, scratch.root), 'not an event', {
    headers: header,
    timeout: 5_000,
  });
  const error = await failure(new Publisher(own.connection, { log: scratch }).append(one));
  expect(error).toBeInstanceOf(ConflictingPayloadError);
});
