import { topologyOf, type BuiltInConfig } from '@memfleet/fleet';
import {
  checkConsumers,
  compareTopology,
  describeChange,
  provisionTopology,
} from '@memfleet/runtime';
import { AckPolicy } from '@nats-io/jetstream';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { connectTestBroker, type TestBroker } from '../../support/broker.ts';
import { testSettings } from '../../support/settings.ts';
import { dropStreams } from '../../support/stage.ts';

let broker: TestBroker;
const made: BuiltInConfig[] = [];
beforeAll(async () => {
  broker = await connectTestBroker();
});
afterEach(async () => {
  for (const config of made.splice(0)) await dropStreams(broker.jsm, config);
});
afterAll(async () => {
  await broker[Symbol.asyncDispose]();
});

function settings(flags: Record<string, string> = {}): BuiltInConfig {
  const config = testSettings(flags);
  made.push(config);
  return config;
}

test('everything is created, and a second run finds nothing to do', async () => {
  const topology = topologyOf(settings());
  const changes = await provisionTopology(broker.jsm, topology);
  expect(changes.map(describeChange)).toEqual([
    ...topology.streams.map(({ name }) => `create stream ${name}`),
    ...topology.consumers.map(({ name }) => `create consumer ${name}`),
  ]);
  expect(await compareTopology(broker.jsm, topology)).toEqual([]);
  expect(await provisionTopology(broker.jsm, topology)).toEqual([]);
});

test('differences are reported field by field, and fixed in place', async () => {
  const config = settings();
  await provisionTopology(broker.jsm, topologyOf(config));
  const changed = {
    ...config,
    log: { ...config.log, maxBytes: 10_000_000 },
    stages: {
      ...config.stages,
      extraction: { ...config.stages.extraction, ackWait: 60_000, maxAckPending: 2_048 },
    },
  };
  const lines = (await compareTopology(broker.jsm, topologyOf(changed))).map(describeChange);
  expect(lines).toEqual([
    `update stream ${config.log.stream} (max_bytes: -1 → 10000000)`,
    'update consumer extraction (ack_wait: 30000000000 → 60000000000, max_ack_pending: 16384 → 2048)',
    'update consumer extraction-redrive (ack_wait: 30000000000 → 60000000000, max_ack_pending: 16384 → 2048)',
  ]);
  await provisionTopology(broker.jsm, topologyOf(changed));
  expect(await compareTopology(broker.jsm, topologyOf(changed))).toEqual([]);
});

test.each([
  ['one filter', (root: string) => ({ filter_subject: `${root}.1.>` })],
  ['two filters', (root: string) => ({ filter_subjects: [`${root}.1.>`, `${root}.2.>`] })],
])('an unwanted filter of a durable is removed: %s', async (_, filterOf) => {
  const config = settings();
  const { stream, root } = config.log;
  const { streams } = topologyOf(config);
  const wanted = { durable_name: 'whole', ack_policy: AckPolicy.All };
  const consumers = [{ kind: 'consumer' as const, stream, name: 'whole', config: wanted }];
  await provisionTopology(broker.jsm, { streams, consumers: [] });
  await broker.jsm.consumers.add(stream, { ...wanted, ...filterOf(root) });
  expect(await provisionTopology(broker.jsm, { streams, consumers })).toHaveLength(1);
  const info = await broker.jsm.consumers.info(stream, 'whole');
  expect(info.config.filter_subject).toBeUndefined();
  expect(info.config.filter_subjects).toBeUndefined();
  await checkConsumers(broker.jsm, stream, consumers);
});

test('one filter replaces two', async () => {
  const config = settings();
  const { stream, root } = config.log;
  const { streams } = topologyOf(config);
  const wanted = { durable_name: 'part', ack_policy: AckPolicy.All };
  await provisionTopology(broker.jsm, { streams, consumers: [] });
  await broker.jsm.consumers.add(stream, {
    ...wanted,
    filter_subjects: [`${root}.1.>`, `${root}.2.>`],
  });
  const part = { ...wanted, filter_subject: `${root}.3.>` };
  const consumers = [{ kind: 'consumer' as const, stream, name: 'part', config: part }];
  expect(await provisionTopology(broker.jsm, { streams, consumers })).toHaveLength(1);
  await checkConsumers(broker.jsm, stream, consumers);
});

test('another number of partitions is refused, and nothing is changed', async () => {
  const config = settings();
  await provisionTopology(broker.jsm, topologyOf(config));
  const changed = topologyOf({ ...config, log: { ...config.log, partitions: 16, maxBytes: 1e7 } });
  await expect(provisionTopology(broker.jsm, changed)).rejects.toMatchObject({
    code: 'DRIFT',
    message: expect.stringContaining('partition(16,1,2)') as string,
  });
  const { config: found } = await broker.jsm.streams.info(config.log.stream);
  expect(found.max_bytes).toBe(-1);
});

test('a worker fails with what is missing or differs, and creates nothing itself', async () => {
  const config = settings();
  const { consumers } = topologyOf(config);
  const { stream } = config.log;
  await expect(checkConsumers(broker.jsm, stream, consumers)).rejects.toMatchObject({
    code: 'STREAM_MISSING',
  });
  await provisionTopology(broker.jsm, topologyOf(config));
  await checkConsumers(broker.jsm, stream, consumers);
  await broker.jsm.consumers.update(stream, 'extraction', { ack_wait: 5_000_000_000 });
  await expect(checkConsumers(broker.jsm, stream, consumers)).rejects.toMatchObject({
    code: 'DRIFT',
    message: 'consumer extraction differs: ack_wait: 5000000000 → 30000000000',
  });
  await broker.jsm.consumers.delete(stream, 'extraction');
  await expect(checkConsumers(broker.jsm, stream, consumers)).rejects.toMatchObject({
    code: 'CONSUMER_MISSING',
  });
});

test('a durable that gives events up is refused with the reason, and provisioning repairs it', async () => {
  const config = settings();
  const topology = topologyOf(config);
  const { stream } = config.log;
  await provisionTopology(broker.jsm, topology);
  await broker.jsm.consumers.update(stream, 'extraction', { max_deliver: 7 });
  const said =
    'max_deliver: 7 → -1: events that the server gives up after 7 deliveries would be lost';
  await expect(checkConsumers(broker.jsm, stream, topology.consumers)).rejects.toMatchObject({
    code: 'DRIFT',
    message: `consumer extraction differs: ${said}`,
  });
  expect((await compareTopology(broker.jsm, topology)).map(describeChange)).toEqual([
    `update consumer extraction (${said})`,
  ]);
  await provisionTopology(broker.jsm, topology);
  expect(await compareTopology(broker.jsm, topology)).toEqual([]);
});

test('the log drops nothing and lets nobody delete', async () => {
  const config = settings({ 'log.maxMessages': '1' });
  await provisionTopology(broker.jsm, topologyOf(config));
  const { config: found } = await broker.jsm.streams.info(config.log.stream);
  expect(found).toMatchObject({
    discard: 'new',
    max_age: 0,
    deny_delete: true,
    deny_purge: true,
    allow_atomic: true,
  });
  const subject = `${config.log.root}.acme.note.content.created`;
  await broker.jetstream.publish(subject, 'first');
  await expect(broker.jetstream.publish(subject, 'second')).rejects.toThrow(/maximum messages/);
});
