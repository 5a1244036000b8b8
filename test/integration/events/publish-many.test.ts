import { randomUUID } from 'node:crypto';
import {
  ConflictingPayloadError,
  type Envelope,
  type EventError,
  type LogNames,
  Publisher,
} from '@memfleet/events';
import { beforeAll, describe, expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { createLogStream } from '../../support/log-stream.ts';
import { lossy } from './lossy-connection.ts';
import { asDuplicate, event, failure, storedIn } from './publishing.ts';

const broker = brokerOfFile();
let log: LogNames;
let publisher: Publisher;

beforeAll(async () => {
  log = await createLogStream(broker.connection);
  publisher = new Publisher(broker.connection, { log });
});

const stored = (memory: string, of: LogNames = log) => storedIn(broker, of, memory);

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = [];
  for await (const item of items) all.push(item);
  return all;
}

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
