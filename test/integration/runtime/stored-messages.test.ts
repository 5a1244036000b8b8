import { setTimeout as delay } from 'node:timers/promises';
import { countStored, firstStored, type JetStreamManager, readStored } from '@memfleet/runtime';
import { afterAll, beforeAll, expect, inject, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { uniqueNames } from '../../support/settings.ts';
import { startTcpGate } from '../../support/tcp-gate.ts';

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

/** Breaks off the first answers, each after the given number of messages; later answers are whole. */
function breaking(...after: number[]): JetStreamManager {
  const { direct } = broker.jsm;
  const getBatch: typeof direct.getBatch = async (...asked) => {
    const messages = await direct.getBatch(...asked);
    const most = after.shift();
    if (most === undefined) return messages;
    const cut = Promise.withResolvers<never>();
    // An answer that nobody waits for any more is cut as well.
    cut.promise.catch(() => undefined);
    async function* some(count: number) {
      let left = count;
      if (left > 0) {
        for await (const message of messages) {
          yield message;
          left -= 1;
          if (left === 0) break;
        }
      }
      // Nothing comes any more, not even its end.
      await cut.promise;
    }
    return Object.assign(some(most), {
      stop: (error?: Error) => cut.reject(error ?? new Error('stopped')),
    }) as unknown as typeof messages;
  };
  const broken: unknown = Object.create(direct, { getBatch: { value: getBatch } });
  return Object.create(broker.jsm, { direct: { value: broken } }) as JetStreamManager;
}

async function positions(
  jsm: JetStreamManager,
  query: Parameters<typeof readStored>[2],
): Promise<number[]> {
  const found: number[] = [];
  for await (const { seq } of readStored(jsm, stream, query, STALLED_MS)) found.push(seq);
  return found;
}

const all = Array.from({ length: MESSAGES }, (_, index) => index + 1);

test('a stream is read from a position on, over many answers, and by subject', async () => {
  expect(await positions(broker.jsm, { from: 1 })).toEqual(all);
  expect(await positions(broker.jsm, { from: 1_000 })).toEqual(all.slice(999));
  const ofOne = all.filter((position) => position % 3 === 1);
  expect(await positions(broker.jsm, { from: 1, subject: `${stream}.1` })).toEqual(ofOne);
  expect(await positions(broker.jsm, { from: MESSAGES + 1 })).toEqual([]);
  expect(await positions(broker.jsm, { from: new Date(Date.now() + 60_000) })).toEqual([]);
  expect(await positions(broker.jsm, { from: new Date(0) })).toEqual(all);
});

test.each([[[3]], [[0, 499, 500]], [[1, 0, 0, 2, 0, 0]]])(
  'an answer that breaks off is asked for again from there: after %j messages',
  async (after) => {
    expect(await positions(breaking(...after), { from: 1 })).toEqual(all);
  },
);

test('answers that never begin are told, and not waited for without an end', async () => {
  await expect(positions(breaking(7, 0, 0, 0), { from: 1 })).rejects.toMatchObject({
    code: 'BROKER_UNREACHABLE',
    message: `NATS does not send what stream ${stream} holds: timeout`,
  });
});

test('a connection that breaks while messages come costs none of them', async () => {
  const { hostname, port } = new URL(inject('natsUrl'));
  await using gate = await startTcpGate(hostname, Number(port));
  await using client = await connectTestBroker(`nats://127.0.0.1:${gate.port}`);
  const found: number[] = [];
  let breaks = 0;
  for await (const { seq } of readStored(client.jsm, stream, { from: 1 }, 500)) {
    found.push(seq);
    if (seq % 400 !== 1) continue;
    breaks += 1;
    gate.cut();
    gate.open();
  }
  expect(found).toEqual(all);
  expect(breaks).toBe(4);
});

test('a reader that takes its time is no server that is silent', async () => {
  let count = 0;
  for await (const { seq } of readStored(breaking(), stream, { from: 1 }, STALLED_MS)) {
    count += 1;
    expect(seq).toBe(count);
    if (count % 300 === 0) await delay(2 * STALLED_MS);
  }
  expect(count).toBe(MESSAGES);
});

test('how much there is, and the first of it', async () => {
  const { count, first } = await countStored(broker.jsm, stream, {
    from: 2,
    subject: `${stream}.1`,
  });
  expect([count, first?.seq]).toEqual([all.filter((at) => at > 1 && at % 3 === 1).length, 4]);
  const none = await countStored(broker.jsm, stream, { from: 1, subject: `${stream}.9` });
  expect(none).toEqual({ count: 0, first: undefined });
  expect((await firstStored(broker.jsm, stream, { from: 5, subject: `${stream}.1` }))?.seq).toBe(7);
  expect(await firstStored(broker.jsm, stream, { from: MESSAGES + 1 })).toBeUndefined();
});
