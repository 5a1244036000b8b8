import { setTimeout as delay } from 'node:timers/promises';
import { countStored, firstStored, readStored } from '@memfleet/runtime';
import { headers, type MsgHdrs, type NatsConnection } from '@nats-io/transport-node';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { uniqueNames } from '../../support/settings.ts';
import { startTcpGate } from '../../support/tcp-gate.ts';
import { unreadableHeaders } from '../../support/unreadable-headers.ts';

const MESSAGES = 1_203;
const STALLED_MS = 50;

let broker: TestBroker;
const stream = uniqueNames()['log.stream'] ?? '';
beforeAll(async () => {
  broker = await connectTestBroker();
  await broker.jsm.streams.add({ name: stream, subjects: [`${stream}.*`], allow_direct: true });
  for (let index = 1; index <= MESSAGES; index += 1) {
    const acked = broker.jetstream.publish(`${stream}.${index % 3}`, `${index}`);
    if (index % 200 === 0 || index === MESSAGES) await acked;
  }
});
afterAll(async () => {
  await broker.jsm.streams.delete(stream);
  await broker[Symbol.asyncDispose]();
});

/** Breaks off the first answers, each after the given number of messages; later answers are complete. */
function breaking(...after: number[]): NatsConnection {
  const { connection } = broker;
  const subscribe: NatsConnection['subscribe'] = (subject, options) => {
    const most = after.shift();
    let left = most ?? Number.POSITIVE_INFINITY;
    return connection.subscribe(subject, {
      ...options,
      callback: (error, message) => {
        // Nothing more comes, not even its end.
        if (left <= 0) return;
        left -= 1;
        void options?.callback?.(error, message);
      },
    });
  };
  return Object.create(connection, { subscribe: { value: subscribe } }) as NatsConnection;
}

async function positions(
  connection: NatsConnection,
  query: Parameters<typeof readStored>[2],
): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of readStored(connection, stream, query, STALLED_MS)) found.push(seq);
  return found;
}

const all = Array.from({ length: MESSAGES }, (_, index) => index + 1);

test('a stream is read from a position on, in many answers, and by subject', async () => {
  expect(await positions(broker.connection, { from: 1 })).toEqual(all);
  expect(await positions(broker.connection, { from: 1_000 })).toEqual(all.slice(999));
  const ofOne = all.filter((position) => position % 3 === 1);
  expect(await positions(broker.connection, { from: 1, subject: `${stream}.1` })).toEqual(ofOne);
  expect(await positions(broker.connection, { from: MESSAGES + 1 })).toEqual([]);
  expect(await positions(broker.connection, { from: new Date(Date.now() + 60_000) })).toEqual([]);
  expect(await positions(broker.connection, { from: new Date(0) })).toEqual(all);
});

test.each([[[3]], [[0, 499, 500]], [[1, 0, 0, 2, 0, 0]]])(
  'an answer that breaks off is requested again from there: after %j messages',
  async (after) => {
    expect(await positions(breaking(...after), { from: 1 })).toEqual(all);
  },
);

test('answers that never begin are reported, and not waited for endlessly', async () => {
  await expect(positions(breaking(7, 0, 0, 0), { from: 1 })).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
    message: `NATS does not send the messages of stream ${stream}: timeout`,
  });
});

test('a connection that breaks between messages loses none of them', async () => {
  const { hostname, port } = new URL(inject('natsUrl'));
  await using gate = await startTcpGate(hostname, Number(port));
  await using client = await connectTestBroker(`nats://127.0.0.1:${gate.port}`);
  const found: number[] = [];
  let breaks = 0;
  for await (const { seq } of readStored(client.connection, stream, { from: 1 }, 500)) {
    found.push(seq);
    if (seq % 400 !== 1) continue;
    breaks += 1;
    gate.cut();
    gate.open();
  }
  expect(found).toEqual(all);
  expect(breaks).toBe(4);
});

test('a slow reader does not count as a silent server', async () => {
  let count = 0;
  for await (const { seq } of readStored(breaking(), stream, { from: 1 }, STALLED_MS)) {
    count += 1;
    expect(seq).toBe(count);
    if (count % 300 === 0) await delay(2 * STALLED_MS);
  }
  expect(count).toBe(MESSAGES);
});

test('the number of messages, and the first of them', async () => {
  const { count, first } = await countStored(broker.connection, stream, {
    from: 2,
    subject: `${stream}.1`,
  });
  expect([count, first?.seq]).toEqual([all.filter((at) => at > 1 && at % 3 === 1).length, 4]);
  const none = await countStored(broker.connection, stream, { from: 1, subject: `${stream}.9` });
  expect(none).toEqual({ count: 0, first: undefined });
  expect((await firstStored(broker.jsm, stream, { from: 5, subject: `${stream}.1` }))?.seq).toBe(7);
  expect(await firstStored(broker.jsm, stream, { from: MESSAGES + 1 })).toBeUndefined();
});

/** Headers that a client of ours takes for the server's, or cannot read at all. */
function strangeHeaders(): readonly MsgHdrs[] {
  const misleading = headers();
  misleading.set('Nats-Sequence', '1');
  misleading.set('Nats-Subject', 'another');
  misleading.set('Nats-Num-Pending', '0');
  return [
    unreadableHeaders(),
    unreadableHeaders('üx'),
    headers(500, 'Internal Error'),
    headers(404, 'Message Not Found'),
    headers(204, 'EOB'),
    misleading,
  ];
}

test.each(['', 'a body'])(
  'headers that somebody stored keep nothing from being read, with %j for a body',
  async (body) => {
    const names = uniqueNames()['log.stream'] ?? '';
    const { jsm, jetstream } = broker;
    await jsm.streams.add({ name: names, subjects: [`${names}.*`], allow_direct: true });
    // A connection of its own: what goes wrong may end it.
    await using client = await connectTestBroker();
    const troubles: string[] = [];
    void (async () => {
      for await (const { type } of client.connection.status()) troubles.push(type);
    })();
    const strange = strangeHeaders();
    for (const [index, header] of strange.entries()) {
      await jetstream.publish(`${names}.${index}`, body, { headers: header });
    }
    await jetstream.publish(`${names}.last`, 'the last');
    const found: [number, string, string][] = [];
    for await (const message of readStored(client.connection, names, { from: 1 })) {
      found.push([message.seq, message.subject, Buffer.from(message.data).toString()]);
    }
    const expected = [...strange.map(() => body), 'the last'].map(
      (text, index) =>
        [index + 1, `${names}.${index === strange.length ? 'last' : index}`, text] as const,
    );
    expect(found).toEqual(expected);
    const fromThePast: number[] = [];
    for await (const { seq } of readStored(client.connection, names, { from: new Date(0) })) {
      fromThePast.push(seq);
    }
    expect(fromThePast).toEqual(expected.map(([seq]) => seq));
    const { count, first } = await countStored(client.connection, names, {
      from: 1,
      subject: `${names}.*`,
    });
    expect([count, first?.seq]).toEqual([expected.length, 1]);
    for (const [seq, subject, text] of expected) {
      const one = await firstStored(client.jsm, names, { from: seq });
      expect([one?.seq, one?.subject, Buffer.from(one?.data ?? []).toString()]).toEqual([
        seq,
        subject,
        text,
      ]);
    }
    expect(troubles).toEqual([]);
    await jsm.streams.delete(names);
  },
);
