import { randomUUID } from 'node:crypto';
import {
  type Appended,
  ConflictingPayloadError,
  createEvent,
  type Envelope,
  EventError,
  eventKey,
  type LogNames,
  type NewEvent,
  Publisher,
  registry,
  VersionConflictError,
} from '@memfleet/events';
import { DiscardPolicy } from '@nats-io/jetstream';
import { connect, headers } from '@nats-io/transport-node';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { createLogStream, readLog, uniqueLog } from '../../support/log-stream.ts';
import { lossy } from './lossy-connection.ts';

let broker: TestBroker;
let log: LogNames;
let publisher: Publisher;

beforeAll(async () => {
  broker = await connectTestBroker();
  log = await createLogStream(broker.connection);
  publisher = new Publisher(broker.connection, { log });
});
afterAll(() => broker[Symbol.asyncDispose]());

/** A new event of a memory that no other test uses. */
function event(changes: Partial<NewEvent> = {}): Envelope {
  return createEvent({
    tenant: 'acme',
    memory: randomUUID(),
    type: 'memory.created',
    source: '/agents/support',
    data: { content: 'Ada prefers tea to coffee.' },
    ...changes,
  });
}

/** What the log holds of a memory, in order. */
async function stored(memory: string, of: LogNames = log) {
  const messages = await readLog(broker.connection, of);
  return messages.flatMap(({ sequence, subject, bytes }) => {
    const decoded = registry.decode(bytes, { root: of.root, subject });
    if (decoded.kind !== 'known') throw new Error(`${subject} is ${decoded.kind}`);
    return decoded.event.subject === memory
      ? [{ sequence, subject, event: decoded.event, bytes }]
      : [];
  });
}

function asDuplicate({ id, sequence }: Appended): Appended {
  return { id, sequence, duplicate: true };
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

async function failure(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    (value: unknown) => {
      throw new Error(`it did not fail: ${JSON.stringify(value)}`);
    },
    (error: unknown) => error,
  );
}

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

describe('appendAll', () => {
  test('yields a result for each in order, keeps the order of each memory, and goes on after failures', async () => {
    const memories = Array.from({ length: 5 }, () => randomUUID());
    const items = Array.from({ length: 200 }, (_, index) => ({
      index,
      event:
        index % 20 === 7
          ? { ...event(), id: 'not a UUID' }
          : event({ memory: memories[index % 5] ?? '', data: { content: `line ${index}` } }),
    }));
    const results = await collect(
      publisher.appendAll(items, { window: 32, event: ({ event: one }) => ({ event: one }) }),
    );
    expect(results.map(({ item }) => item.index)).toEqual(items.map(({ index }) => index));
    const failed = results.filter((result) => !result.ok);
    expect(failed.map(({ item }) => item.index)).toEqual(
      items.filter(({ index }) => index % 20 === 7).map(({ index }) => index),
    );
    for (const { error } of failed) expect(error).toMatchObject({ code: 'EVENT_INVALID' });
    for (const [offset, memory] of memories.entries()) {
      const contents = (await stored(memory)).map(
        ({ event: { data } }) => (data as { content: string }).content,
      );
      const expected = items
        .filter(({ index }) => index % 5 === offset && index % 20 !== 7)
        .map(({ index }) => `line ${index}`);
      expect(contents).toEqual(expected);
    }
  });

  test('an attempt that is repeated puts no memory out of order', async () => {
    const memories = [randomUUID(), randomUUID(), randomUUID()];
    const items = Array.from({ length: 60 }, (_, index) =>
      event({ memory: memories[index % 3] ?? '', data: { content: `${index}` } }),
    );
    const losing = lossy(broker.connection, (number) =>
      number % 9 === 4 ? 'there' : number % 9 === 8 ? 'back' : undefined,
    );
    const own = new Publisher(losing.connection, { log });
    const results = await collect(own.appendAll(items, { event: (item) => ({ event: item }) }));
    expect(results.filter(({ ok }) => !ok)).toEqual([]);
    expect(losing.requests()).toBeGreaterThan(items.length);
    for (const memory of memories) {
      const mine = items.filter(({ subject }) => subject === memory).map(({ id }) => id);
      expect((await stored(memory)).map(({ event: { id } }) => id)).toEqual(mine);
    }
  });

  test('behind an append without an answer, its memory waits and others go on', async () => {
    const [unsure, other] = [randomUUID(), randomUUID()];
    const items = [unsure, other, unsure, unsure, other].map((memory, index) =>
      event({ memory, data: { content: `${index}` } }),
    );
    // The first has one attempt, which never arrives.
    const losing = lossy(broker.connection, (number) => (number === 1 ? 'there' : undefined));
    const own = new Publisher(losing.connection, { log, attempts: 1 });
    const appending = (publishing: Publisher) =>
      collect(publishing.appendAll(items, { event: (item) => ({ event: item }) }));
    const results = await appending(own);
    expect(results.map((result) => (result.ok ? 'ok' : (result.error as EventError).code))).toEqual(
      ['BROKER_UNAVAILABLE', 'ok', 'APPEND_HELD_BACK', 'APPEND_HELD_BACK', 'ok'],
    );
    expect(await stored(unsure)).toEqual([]);
    // Appended again as a whole, in the same call or another, each memory is in order.
    const inOneCall = lossy(broker.connection, (number) => (number === 1 ? 'there' : undefined));
    const both = new Publisher(inOneCall.connection, { log, attempts: 1 });
    const twice = await collect(
      both.appendAll([...items, ...items], { window: 1, event: (item) => ({ event: item }) }),
    );
    expect(twice.map(({ ok }) => ok)).toEqual([
      false,
      true,
      false,
      false,
      true,
      true,
      true,
      true,
      true,
      true,
    ]);
    expect((await appending(publisher)).every(({ ok }) => ok)).toBe(true);
    for (const memory of [unsure, other]) {
      const mine = items.filter(({ subject }) => subject === memory).map(({ id }) => id);
      expect((await stored(memory)).map(({ event: { id } }) => id)).toEqual(mine);
    }
  });

  test('a second run of the same events is all duplicates', async () => {
    const items = Array.from({ length: 20 }, () => event());
    const run = async () =>
      await collect(publisher.appendAll(items, { event: (item) => ({ event: item }) }));
    const first = await run();
    expect((await run()).map((result) => result.ok && result.appended)).toEqual(
      first.map((result) => result.ok && asDuplicate(result.appended)),
    );
  });

  test('whatever an item is, it is refused and the next goes in', async () => {
    const last = event();
    const items: unknown[] = [null, undefined, 1, 'x', [], {}, { tenantid: {}, subject: 3 }, last];
    const results = await collect(
      publisher.appendAll(items, { event: (item) => ({ event: item }) }),
    );
    expect(results.map(({ ok }) => ok)).toEqual([
      false,
      false,
      false,
      false,
      false,
      false,
      false,
      true,
    ]);
  });
});

describe('appendBatch', () => {
  const batchOf = (memory: string, size: number): Envelope[] =>
    Array.from({ length: size }, (_, index) =>
      event({ memory, data: { content: `part ${index}` } }),
    );

  test('stores all, side by side', async () => {
    const memory = randomUUID();
    const batch = batchOf(memory, 50);
    const appended = await publisher.appendBatch(batch);
    const [{ sequence: first } = { sequence: 0 }] = appended;
    expect(appended).toEqual(
      batch.map(({ id }, index) => ({ id, sequence: first + index, duplicate: false })),
    );
    expect((await stored(memory)).map(({ event: { id } }) => id)).toEqual(
      batch.map(({ id }) => id),
    );
    expect(await publisher.appendBatch([])).toEqual([]);
  });

  test('stores none when one is refused before it is sent', async () => {
    const memory = randomUUID();
    const batch = batchOf(memory, 3);
    const error = await failure(
      publisher.appendBatch([...batch, { ...event({ memory }), id: 'x' }]),
    );
    expect(error).toMatchObject({ code: 'EVENT_INVALID' });
    expect(await stored(memory)).toEqual([]);
  });

  test('more than a server takes is refused before anything is sent', async () => {
    const error = await failure(publisher.appendBatch(batchOf(randomUUID(), 1_001)));
    expect(error).toMatchObject({ code: 'APPEND_REFUSED' });
  });

  test('1,000 are taken', async () => {
    expect(await publisher.appendBatch(batchOf(randomUUID(), 1_000))).toHaveLength(1_000);
  });

  test('what is in the log already is a duplicate, and what is missing goes in', async () => {
    const memory = randomUUID();
    const batch = batchOf(memory, 4);
    const early = [await publisher.append(batch[1]), await publisher.append(batch[3])];
    const appended = await publisher.appendBatch(batch);
    expect(appended.map(({ duplicate }) => duplicate)).toEqual([false, true, false, true]);
    expect([appended[1]?.sequence, appended[3]?.sequence]).toEqual(
      early.map(({ sequence }) => sequence),
    );
    expect(await stored(memory)).toHaveLength(4);
    expect(await publisher.appendBatch(batch)).toEqual(appended.map((one) => asDuplicate(one)));
  });

  test('the same event twice in one batch is stored once', async () => {
    const memory = randomUUID();
    const [one, two] = batchOf(memory, 2);
    const appended = await publisher.appendBatch([one, two, one]);
    expect(appended.map(({ duplicate }) => duplicate)).toEqual([false, false, true]);
    expect(await stored(memory)).toHaveLength(2);
  });

  test('a conflict of payloads inside a batch is flagged, the stored one untouched', async () => {
    const memory = randomUUID();
    const batch = batchOf(memory, 3);
    await publisher.append(batch[2]);
    const changed = [...batch.slice(0, 2), { ...batch[2], data: { content: 'something else' } }];
    expect(await failure(publisher.appendBatch(changed))).toBeInstanceOf(ConflictingPayloadError);
    const found = (await stored(memory)).find(({ event: { id } }) => id === batch[2]?.id);
    expect(found?.event.data).toMatchObject({ content: 'part 2' });
  });

  test('with an expected version that holds, and with one that does not', async () => {
    const memory = randomUUID();
    const elsewhere = event();
    const { sequence: version } = await publisher.append(event({ memory }));
    const error = await failure(
      publisher.appendBatch([...batchOf(memory, 3), elsewhere], { expectedVersion: version - 1 }),
    );
    expect(error).toMatchObject({ code: 'VERSION_CONFLICT', actualVersion: version });
    expect(await stored(memory)).toHaveLength(1);
    expect(await stored(elsewhere.subject)).toEqual([]);
    const appended = await publisher.appendBatch([...batchOf(memory, 3), elsewhere], {
      expectedVersion: version,
    });
    expect(appended.map(({ duplicate }) => duplicate)).toEqual([false, false, false, false]);
    const found = await stored(memory);
    expect(found.slice(1).map(({ event: { aggregateversion } }) => aggregateversion)).toEqual([
      version,
      version,
      version,
    ]);
    // The expectation is about the first event's memory; the other one was not decided on it.
    expect((await stored(elsewhere.subject))[0]?.event.aggregateversion).toBeUndefined();
  });

  test.for([0, 1])('lost replies do not double it, expected version: %i', async (isExpected) => {
    const memory = randomUUID();
    const { sequence: version } = await publisher.append(event({ memory }));
    // The reply to the commit is the second: between first and last nothing is asked for.
    const losing = lossy(broker.connection, (number) => (number === 2 ? 'back' : undefined));
    const batch = batchOf(memory, 5);
    const options = isExpected === 1 ? { expectedVersion: version } : {};
    const appended = await new Publisher(losing.connection, { log }).appendBatch(batch, options);
    expect(appended.every(({ duplicate }) => duplicate)).toBe(true);
    const found = await stored(memory);
    expect(found.slice(1).map(({ sequence, event: { id } }) => ({ id, sequence }))).toEqual(
      appended.map(({ id, sequence }) => ({ id, sequence })),
    );
    expect(found).toHaveLength(6);
  });

  test('batches of many publishers at once all go in, although the server takes 50 at a time', async () => {
    const memories = Array.from({ length: 120 }, () => randomUUID());
    const appended = await Promise.all(
      memories.map((memory) => publisher.appendBatch(batchOf(memory, 5))),
    );
    expect(appended.flat().filter(({ duplicate }) => !duplicate)).toHaveLength(600);
  });
});

describe('refusals are typed and lose nothing', () => {
  test('a full log refuses new events and drops none', async () => {
    const small = await createLogStream(broker.connection, uniqueLog(), {
      max_bytes: 20_000,
      discard: DiscardPolicy.New,
    });
    const own = new Publisher(broker.connection, { log: small });
    const kept: number[] = [];
    let error: unknown;
    while (error === undefined) {
      try {
        kept.push(
          (await own.append(event({ data: { content: randomUUID().repeat(20) } }))).sequence,
        );
      } catch (refused) {
        error = refused;
      }
    }
    expect(error).toBeInstanceOf(EventError);
    expect(error).toMatchObject({ code: 'LOG_FULL' });
    expect(
      await failure(own.appendBatch([event(), event({ data: { content: 'x'.repeat(9_000) } })])),
    ).toMatchObject({ code: 'LOG_FULL' });
    expect((await readLog(broker.connection, small)).map(({ sequence }) => sequence)).toEqual(kept);
    await broker.jsm.streams.update(small.stream, { max_bytes: 100_000 });
    expect((await own.append(event())).sequence).toBe(kept.length + 1);
  });

  test('so does one that holds its number of messages', async () => {
    const small = await createLogStream(broker.connection, uniqueLog(), {
      max_msgs: 3,
      discard: DiscardPolicy.New,
    });
    const own = new Publisher(broker.connection, { log: small });
    for (let index = 0; index < 3; index += 1) await own.append(event());
    expect(await failure(own.append(event()))).toMatchObject({ code: 'LOG_FULL' });
    expect(await readLog(broker.connection, small)).toHaveLength(3);
  });

  test('a stream that is not there', async () => {
    const own = new Publisher(broker.connection, { log: uniqueLog(), attempts: 2 });
    for (const error of [
      await failure(own.append(event())),
      await failure(own.appendBatch([event(), event()])),
      await failure(own.versionOf('acme', 'm-1')),
    ]) {
      expect(error).toMatchObject({ code: 'STREAM_MISSING' });
    }
  });

  test('another stream than the one that is meant', async () => {
    const wrong = { root: log.root, stream: 'ANOTHER' };
    expect(
      await failure(new Publisher(broker.connection, { log: wrong }).append(event())),
    ).toMatchObject({ code: 'STREAM_MISSING' });
  });

  test('data over the inline limit', async () => {
    const memory = randomUUID();
    const data = { content: 'x', extra: 'y'.repeat(64 * 1024) };
    for (const error of [
      await failure(publisher.append(event({ memory, data }))),
      await failure(publisher.appendBatch([event({ memory }), event({ memory, data })])),
    ]) {
      expect(error).toMatchObject({ code: 'EVENT_TOO_LARGE' });
    }
    expect(await stored(memory)).toEqual([]);
    // The longest content there may be is below the limit.
    expect(await publisher.append(event({ data: { content: 'x'.repeat(60_000) } }))).toMatchObject({
      duplicate: false,
    });
    // The limit is one of bytes: 30,000 characters of two bytes each are below it, of three above.
    expect(await publisher.append(event({ data: { content: 'é'.repeat(30_000) } }))).toMatchObject({
      duplicate: false,
    });
    expect(
      await failure(publisher.append(event({ data: { content: '€'.repeat(30_000) } }))),
    ).toMatchObject({ code: 'EVENT_TOO_LARGE' });
  });

  test('an event over what the server or the stream takes', async () => {
    const own = new Publisher(broker.connection, {
      log,
      limits: { maxDataBytes: 8 * 1024 * 1024 },
    });
    const huge = event({
      data: { content: 'x', extra: 'y'.repeat(broker.connection.info?.max_payload ?? 0) },
    });
    expect(await failure(own.append(huge))).toMatchObject({ code: 'EVENT_TOO_LARGE' });
    expect(() => own.prepare(huge)).toThrow('that this server takes');
    expect(() => own.prepareAgain(huge)).toThrow('that this server takes');
    const narrow = await createLogStream(broker.connection, uniqueLog(), { max_msg_size: 1_000 });
    const large = event({ data: { content: 'x'.repeat(2_000) } });
    expect(
      await failure(new Publisher(broker.connection, { log: narrow }).append(large)),
    ).toMatchObject({ code: 'EVENT_TOO_LARGE' });
  });

  test('a time far ahead', async () => {
    const inTwoDays = new Date(Date.now() + 2 * 24 * 3_600_000).toISOString();
    const error = await failure(publisher.append(event({ time: inTwoDays })));
    expect(error).toMatchObject({
      code: 'EVENT_INVALID',
      message: expect.stringContaining('future') as unknown,
    });
    const patient = new Publisher(broker.connection, {
      log,
      limits: { maxAheadMs: 3 * 24 * 3_600_000 },
    });
    expect(await patient.append(event({ time: inTwoDays }))).toMatchObject({ duplicate: false });
  });

  test('a stream that takes no batches, one that is sealed', async () => {
    const plain = await createLogStream(broker.connection, uniqueLog(), { allow_atomic: false });
    const own = new Publisher(broker.connection, { log: plain });
    expect(await failure(own.appendBatch([event(), event()]))).toMatchObject({
      code: 'APPEND_REFUSED',
    });
    expect(await readLog(broker.connection, plain)).toEqual([]);
    const { config } = await broker.jsm.streams.info(plain.stream);
    const sealed = JSON.stringify({ ...config, sealed: true });
    await broker.connection.request(`$JS.API.STREAM.UPDATE.${plain.stream}`, sealed);
    expect(await failure(own.append(event()))).toMatchObject({ code: 'APPEND_REFUSED' });
  });

  test('no answer at all: the outcome is unknown, and the error says so', async () => {
    const silent = uniqueLog();
    const subscription = broker.connection.subscribe(`${silent.root}.>`);
    const own = new Publisher(broker.connection, { log: silent, ackTimeoutMs: 50, attempts: 2 });
    expect(await failure(own.append(event()))).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    subscription.unsubscribe();
  });

  test('an answer that confirms nothing is no confirmation', async () => {
    const odd = uniqueLog();
    const subscription = broker.connection.subscribe(`${odd.root}.>`, {
      callback: (_, message) => void message.respond('{}'),
    });
    const own = new Publisher(broker.connection, { log: odd, attempts: 1 });
    expect(await failure(own.append(event()))).toMatchObject({ code: 'BROKER_UNAVAILABLE' });
    subscription.unsubscribe();
  });

  test('a closed connection', async () => {
    const connection = await connect({ servers: broker.url });
    await connection.close();
    expect(await failure(new Publisher(connection, { log }).append(event()))).toMatchObject({
      code: 'BROKER_UNAVAILABLE',
    });
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
