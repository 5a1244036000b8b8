import { randomUUID } from 'node:crypto';
import { EventError, type LogNames, Publisher } from '@memfleet/events';
import { DiscardPolicy } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { beforeAll, describe, expect, test } from 'vitest';
import { brokerOfFile } from '../../support/broker.ts';
import { createLogStream, readLog, uniqueLog } from '../../support/log-stream.ts';
import { event, failure, storedIn } from './publishing.ts';

const broker = brokerOfFile();
let log: LogNames;
let publisher: Publisher;

beforeAll(async () => {
  log = await createLogStream(broker.connection);
  publisher = new Publisher(broker.connection, { log });
});

const stored = (memory: string, of: LogNames = log) => storedIn(broker, of, memory);

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
