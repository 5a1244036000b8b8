import { randomUUID } from 'node:crypto';
import {
  CATALOGUE,
  createEvent,
  type EventType,
  type LogNames,
  Publisher,
  publishSubject,
  registry,
} from '@memfleet/events';
import { CloudEvent, HTTP } from 'cloudevents';
import { connect, StringCodec } from 'nats';
import { afterAll, beforeAll, describe, expect, inject, test } from 'vitest';
import { FIXTURE_ENVELOPE } from '../../../shared/events/src/contract.ts';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { createLogStream, readLog } from '../../support/log-stream.ts';

let broker: TestBroker;
let log: LogNames;

beforeAll(async () => {
  broker = await connectTestBroker();
  log = await createLogStream(broker.connection);
});
afterAll(() => broker[Symbol.asyncDispose]());

/** What an upstream program without this package writes by hand. */
function written(memory: string): Record<string, unknown> & { readonly id: string } {
  const id = randomUUID();
  return {
    specversion: '1.0',
    id,
    source: 'https://upstream.example/agents/7',
    type: 'memory.created',
    subject: memory,
    time: '2026-01-31T13:00:00+01:00',
    datacontenttype: 'application/json',
    schemaversion: 1,
    tenantid: 'acme',
    correlationid: id,
    causationid: id,
    data: { content: 'Ada moved to Lisbon.', mood: 'calm' },
  };
}

describe('a publisher on the old nats client', () => {
  test('its plain JSON is read, its bytes stay, and its Msg-Id is ours to compare with', async () => {
    const old = await connect({ servers: inject('natsUrl') });
    const memory = randomUUID();
    const event = written(memory);
    const text = JSON.stringify(event);
    const subject = publishSubject(log.root, 'acme', memory, 'content', 'created');
    const send = async () =>
      await old.jetstream().publish(subject, StringCodec().encode(text), { msgID: event.id });
    const { seq, duplicate } = await send();
    expect(duplicate).toBe(false);
    expect(await send()).toMatchObject({ seq, duplicate: true });
    await old.close();

    const stored = (await readLog(broker.connection, log)).find(({ sequence }) => sequence === seq);
    if (stored === undefined) throw new Error(`nothing at ${seq}`);
    expect(Buffer.from(stored.bytes).toString()).toBe(text);
    const decoded = registry.decode(stored.bytes, { root: log.root, subject: stored.subject });
    expect(decoded).toMatchObject({
      kind: 'known',
      event: {
        schemaversion: 3,
        data: {
          content: 'Ada moved to Lisbon.',
          mood: 'calm',
          kind: 'note',
          valid_from: event['time'],
        },
      },
    });
    // A publisher of ours goes on where the old one stopped.
    const publisher = new Publisher(broker.connection, { log });
    const revised = createEvent({
      tenant: 'acme',
      memory,
      type: 'memory.revised',
      source: '/agents/support',
      data: { content: 'Ada moved to Porto.' },
      causationId: event.id,
    });
    expect((await publisher.append(revised, { expectedVersion: seq })).sequence).toBeGreaterThan(
      seq,
    );
  });
});

describe('the cloudevents SDK as the oracle', () => {
  const asHttp = (body: string) => ({
    headers: { 'content-type': 'application/cloudevents+json; charset=utf-8' },
    body,
  });
  const cases = CATALOGUE.flatMap(({ type, fixtures }: EventType) =>
    fixtures.map(({ name, version, data }) => ({ type, name, version, data })),
  );

  test.for(cases)('what we write it reads: $type, $name', ({ type, version, data }) => {
    const event = { ...FIXTURE_ENVELOPE, type, schemaversion: version, data };
    const read = HTTP.toEvent(asHttp(JSON.stringify(event)));
    if (Array.isArray(read)) throw new Error('read as a batch');
    const strict = new CloudEvent(read, true);
    expect(strict.validate()).toBe(true);
    const { time, ...rest } = strict.toJSON() as { time: string };
    expect(Date.parse(time)).toBe(Date.parse(event.time));
    expect({ ...rest, time: event.time }).toEqual(event);
  });

  test.for(cases)('what it writes we read: $type, $name', ({ type, name, version, data }) => {
    const event = new CloudEvent({ ...FIXTURE_ENVELOPE, type, schemaversion: version, data });
    const { body, headers } = HTTP.structured(event);
    expect(headers['content-type']).toMatch(/cloudevents\+json/);
    const decoded = registry.decode(Buffer.from(String(body)));
    if (decoded.kind !== 'known') throw new Error(decoded.reason);
    expect(decoded.event.type).toBe(type);
    expect(decoded.envelope.data).toEqual(data);
    const fixture = CATALOGUE.flatMap((definition: EventType) =>
      definition.type === type ? definition.fixtures.filter((one) => one.name === name) : [],
    )[0];
    expect(Object.keys(decoded.event.data)).toEqual(
      expect.arrayContaining(Object.keys(fixture?.latest as object)),
    );
  });

  test('a trace and a version ride along both ways', () => {
    const traceparent = `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`;
    const ours = {
      ...createEvent({
        tenant: 'acme',
        memory: 'm-1',
        type: 'memory.created',
        source: '/agents/support',
        data: { content: 'x' },
        traceparent,
      }),
      aggregateversion: 7,
    };
    const read = HTTP.toEvent(asHttp(JSON.stringify(ours))) as CloudEvent<unknown>;
    expect(read['traceparent']).toBe(traceparent);
    expect(read['aggregateversion']).toBe(7);
    const back = registry.decode(Buffer.from(String(HTTP.structured(read).body)));
    expect(back).toMatchObject({ kind: 'known', envelope: ours });
  });
});
