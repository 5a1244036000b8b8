import { topologyOf } from '@memfleet/fleet';
import { type Delivery, provisionTopology, pull } from '@memfleet/runtime';
import type { Consumer } from '@nats-io/jetstream';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { testSettings } from '../../support/settings.ts';
import { dropStreams } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

let broker: TestBroker;
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

interface Bench extends AsyncDisposable {
  readonly consumer: Consumer;
  readonly stream: string;
  send(count: number): Promise<void>;
  state(): Promise<{ waiting: number; unanswered: number; redelivered: number; pending: number }>;
}

async function createBench(flags: Record<string, string> = {}): Promise<Bench> {
  const config = testSettings(flags);
  await provisionTopology(broker.jsm, topologyOf(config));
  const { stream, root } = config.log;
  return {
    stream,
    consumer: await broker.jetstream.consumers.get(stream, 'extraction'),
    async send(count) {
      for (let index = 0; index < count; index += 1) {
        await broker.jetstream.publish(`${root}.acme.note.content.created`, `${index}`);
      }
    },
    async state() {
      const info = await broker.jsm.consumers.info(stream, 'extraction');
      return {
        waiting: info.num_waiting,
        unanswered: info.num_ack_pending,
        redelivered: info.num_redelivered,
        pending: info.num_pending,
      };
    },
    async [Symbol.asyncDispose]() {
      await dropStreams(broker.jsm, config);
    },
  };
}

/** Pulls in the background, and keeps the sizes of the batches. */
function start(
  { consumer }: Bench,
  options: { batch: number; lingerMs?: number; room?: () => Promise<number>; ack?: boolean },
): {
  readonly sizes: number[];
  readonly messages: Delivery[];
  readonly empty: () => number;
  readonly stop: AbortController;
  readonly ended: Promise<void>;
} {
  const stop = new AbortController();
  const sizes: number[] = [];
  const messages: Delivery[] = [];
  let empty = 0;
  const run = async (): Promise<void> => {
    const batches = pull(consumer, {
      connection: broker.connection,
      batch: options.batch,
      lingerMs: options.lingerMs ?? 20,
      room: async () => ({ count: (await options.room?.()) ?? options.batch }),
      signal: stop.signal,
      onEmpty: () => {
        empty += 1;
      },
    });
    for await (const { messages: batch } of batches) {
      sizes.push(batch.length);
      messages.push(...batch);
      if (options.ack !== false) for (const message of batch) message.ack();
    }
  };
  const ended = run();
  ended.catch(() => undefined);
  return { sizes, messages, empty: () => empty, stop, ended };
}

test('a backlog comes in full batches, in order, a trickle after the linger', async () => {
  await using bench = await createBench();
  await bench.send(25);
  const { sizes, messages, stop, ended } = start(bench, { batch: 10 });
  await until('all have come', () => messages.length === 25);
  expect(sizes).toEqual([10, 10, 5]);
  expect(messages.map(({ seq }) => seq)).toEqual(Array.from({ length: 25 }, (_, at) => at + 1));
  expect(messages[0]?.info).toMatchObject({ consumer: 'extraction', deliveryCount: 1 });
  await bench.send(1);
  await until('the next has come', () => messages.length === 26);
  stop.abort();
  await ended;
  await until('all are acked', async () => (await bench.state()).unanswered === 0);
});

test('no more is asked for than there is room', async () => {
  await using bench = await createBench();
  await bench.send(20);
  const rooms = [3, 4];
  const noMore = Promise.withResolvers<number>();
  const { sizes, messages, stop, ended } = start(bench, {
    batch: 10,
    ack: false,
    room: async () => rooms.shift() ?? (await noMore.promise),
  });
  await until('seven have come', () => messages.length === 7);
  expect(sizes).toEqual([3, 4]);
  expect(await bench.state()).toMatchObject({ waiting: 0, unanswered: 7, pending: 13 });
  stop.abort();
  noMore.resolve(0);
  await ended;
});

test('the signal ends it at once, and what has arrived is still handed out', async () => {
  await using bench = await createBench();
  await bench.send(3);
  const { messages, stop, ended } = start(bench, { batch: 10, lingerMs: 60_000, ack: false });
  await until('the server has delivered', async () => (await bench.state()).unanswered === 3);
  expect(messages).toEqual([]);
  const abortedAt = performance.now();
  stop.abort();
  await ended;
  expect(performance.now() - abortedAt).toBeLessThan(1_000);
  expect(messages).toHaveLength(3);
  // The request is gone: what is published now waits for others.
  await bench.send(1);
  // A consumer hears of what is stored a moment after the publisher does.
  await until('the consumer knows of it', async () => (await bench.state()).pending === 1);
  expect(await bench.state()).toMatchObject({ unanswered: 3, pending: 1 });
});

test('each batch names the request that brought it, the last one as well', async () => {
  await using bench = await createBench();
  await bench.send(5);
  const stop = new AbortController();
  const names = ['first', 'second'];
  const came: string[] = [];
  const read = async (): Promise<void> => {
    const batches = pull(bench.consumer, {
      connection: broker.connection,
      batch: 2,
      lingerMs: 60_000,
      room: async () => ({ count: 2, name: names.shift() ?? 'last' }),
      signal: stop.signal,
    });
    for await (const { messages, request } of batches) {
      came.push(...messages.map(() => request.name));
    }
  };
  const ended = read();
  await until('all are delivered', async () => (await bench.state()).unanswered === 5);
  stop.abort();
  await ended;
  expect(came).toEqual(['first', 'first', 'second', 'second', 'last']);
});

test('a deleted durable ends it, a deleted stream as well', async () => {
  await using bench = await createBench();
  const first = start(bench, { batch: 10 });
  await until('it waits', async () => (await bench.state()).waiting === 1);
  await broker.jsm.consumers.delete(bench.stream, 'extraction');
  await expect(first.ended).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
  const second = start(bench, { batch: 10 });
  await expect(second.ended).rejects.toMatchObject({ code: 'CONSUMER_MISSING' });
});

test('a quiet stream is waited on, and the request renewed', async () => {
  await using bench = await createBench();
  const { messages, empty, stop, ended } = start(bench, { batch: 10 });
  await until('the first request is over, which is said', () => empty() === 1);
  await bench.send(1);
  await until('it comes', () => messages.length === 1);
  expect(messages[0]?.redelivered).toBe(false);
  stop.abort();
  await ended;
});

test('what arrives while the event loop is blocked is not lost', async () => {
  await using bench = await createBench();
  const { messages, stop, ended } = start(bench, { batch: 10 });
  await until('it waits', async () => (await bench.state()).waiting === 1);
  await bench.send(1);
  // Longer than the beats that a request may miss.
  const blockedAt = performance.now();
  while (performance.now() - blockedAt < 3_000);
  await until('it has come', () => messages.length === 1);
  await until('it is acked', async () => (await bench.state()).unanswered === 0);
  expect((await bench.state()).redelivered).toBe(0);
  stop.abort();
  await ended;
});

test('several pull from one durable, and each message goes to one of them', async () => {
  await using bench = await createBench();
  const pullers = Array.from({ length: 4 }, () => start(bench, { batch: 5 }));
  await bench.send(100);
  const all = (): Delivery[] => pullers.flatMap(({ messages }) => messages);
  await until('all have come', () => all().length === 100);
  expect(new Set(all().map(({ seq }) => seq)).size).toBe(100);
  for (const { stop } of pullers) stop.abort();
  await Promise.all(pullers.map(({ ended }) => ended));
});
