import { topologyOf } from '@memfleet/fleet';
import { ProviderGate } from '@memfleet/models';
import { createEmbedder, type Embedder } from '@memfleet/recall';
import { provisionTopology } from '@memfleet/runtime';
import { describe, expect, test } from 'vitest';
import { contentDigest } from '../../../workers/embedding/src/stored-vectors.ts';
import {
  type ModelCall,
  type ModelService,
  replies,
  startModelService,
  vectorOf,
} from '../../support/model-service.ts';
import { until } from '../../support/until.ts';
import { EmbeddingFleet, factsSaying } from './running-stage.ts';

function remote(service: ModelService, maxBatch = 64): Embedder {
  return createEmbedder({
    kind: 'openai-compatible',
    baseUrl: service.url,
    model: 'test-model',
    dimensions: 8,
    inputPerMillionUsd: 100,
    maxBatch,
  });
}
const inputOf = (call: ModelCall): string[] => call.body['input'] as string[];
const textsUpTo = (count: number): string[] =>
  Array.from({ length: count }, (_, n) => `text number ${n}`);

describe('with a service', () => {
  test('many events make few calls; tokens and cost add up to the sum that was paid', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    const texts = textsUpTo(128);
    await fleet.publishContents(texts);
    await fleet.start(remote(service));
    const rows = await fleet.finished(128);
    const events = await fleet.published(128);
    expect(service.calls.length).toBeLessThanOrEqual(6);
    expect(service.calls.flatMap(inputOf).toSorted()).toEqual(texts.toSorted());
    const sum = (of: (row: (typeof rows)[number]) => number): number =>
      rows.reduce((all, row) => all + of(row), 0);
    expect(sum((row) => row.calls)).toBe(service.calls.length);
    expect(sum((row) => row.input_tokens)).toBe(128 * 5);
    expect(sum((row) => row.cost_usd)).toBeCloseTo((128 * 5 * 100) / 1e6, 9);
    const told = events.reduce((all, { data }) => all + data.usage.input_tokens, 0);
    expect(told).toBe(128 * 5);
    const vectors = await fleet.vectors();
    for (const text of texts) {
      expect(Float32Array.from(vectors.get(contentDigest(text)) ?? [])).toEqual(
        Float32Array.from(vectorOf(text, 8)),
      );
    }
  });

  test('equal content a hundred times is one call for one text', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    await fleet.publishContents(Array.from({ length: 100 }, () => 'The same every time.'));
    await fleet.start(remote(service));
    const events = await fleet.published(100);
    expect(service.calls.map(inputOf)).toEqual([['The same every time.']]);
    expect(events.filter(({ data }) => !data.cached)).toHaveLength(1);
    expect(new Set(events.map(({ data }) => data.vector.content_sha256)).size).toBe(1);
    expect((await fleet.vectors()).size).toBe(1);
  });

  test('calls that together exceed the deadline because of a rate limit use up no attempt', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create({
      'stages.embedding.deadline': '2s',
      'stages.embedding.ackWait': '600ms',
      'stages.embedding.maxAttempts': '1',
      // One call at a time: the other texts wait for a slot in one.
      'stages.embedding.concurrency': '1',
    });
    const texts = textsUpTo(6);
    await fleet.publish('memory.extracted', 'm1', factsSaying(texts));
    // A call a second: six take five seconds at least.
    await fleet.start(remote(service, 1), new ProviderGate({ limits: { requestsPerMinute: 60 } }));
    expect(await fleet.finished(1)).toMatchObject([{ state: 'done', attempts: 0, calls: 6 }]);
    expect(service.calls.flatMap(inputOf).toSorted()).toEqual(texts.toSorted());
  });

  test('a wait for a text shared by two events counts for both', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create({
      'stages.embedding.deadline': '2s',
      'stages.embedding.ackWait': '600ms',
      'stages.embedding.maxAttempts': '1',
    });
    const texts = textsUpTo(5);
    await fleet.publish('memory.extracted', 'm1', factsSaying(texts));
    await fleet.publish('memory.extracted', 'm2', factsSaying(texts.toReversed()));
    await fleet.start(remote(service, 1), new ProviderGate({ limits: { requestsPerMinute: 60 } }));
    const rows = await fleet.finished(2);
    expect(rows).toMatchObject([
      { state: 'done', attempts: 0 },
      { state: 'done', attempts: 0 },
    ]);
    expect(service.calls.flatMap(inputOf).toSorted()).toEqual(texts.toSorted());
  });

  test('a text that another process paid for is not paid for again', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    await fleet.start(remote(service));
    await fleet.publish('memory.created', 'm1', { content: 'Known.' });
    await fleet.finished(1);
    await fleet.stop();
    await fleet.start(remote(service));
    await fleet.publish('memory.created', 'm2', { content: 'Known.' });
    await fleet.publish('memory.created', 'm3', { content: 'New.' });
    const events = await fleet.published(3);
    expect(service.calls.map(inputOf)).toEqual([['Known.'], ['New.']]);
    expect(events.map(({ subject, data }) => `${subject} ${data.cached}`).toSorted()).toEqual([
      'm1 false',
      'm2 true',
      'm3 false',
    ]);
  });

  test('vectors of a failing event are kept and counted: another process buys the rest', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    let isDown = true;
    service.respond((call) =>
      isDown && inputOf(call).includes('Second.') ? replies.status(503) : replies.vectors(call),
    );
    await fleet.publish('memory.extracted', 'm1', factsSaying(['First.', 'Second.']));
    await fleet.start(remote(service, 1));
    await until('the second failed, and the first is kept', async () => {
      return service.calls.length >= 2 && (await fleet.vectors()).size === 1;
    });
    await fleet.stop();
    isDown = false;
    await fleet.start(remote(service, 1));
    await fleet.finished(1);
    const asked = service.calls.flatMap(inputOf);
    expect(asked.filter((text) => text === 'First.')).toHaveLength(1);
    const { rows } = await fleet.database.pool.query<{ tokens: number }>(
      `select sum(input_tokens)::int as tokens from memfleet.spend where tenant = 'acme'`,
    );
    expect(rows).toEqual([{ tokens: 10 }]);
  });

  test('one bad text of 64 is parked alone, its 63 neighbours are embedded', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create({ 'stages.embedding.maxAttempts': '3' });
    const bad = 'text number 40';
    service.respond((call) =>
      inputOf(call).includes(bad) ? replies.vectors(call, 'zeros') : replies.vectors(call),
    );
    const created = await fleet.publishContents(textsUpTo(64));
    await fleet.start(remote(service));
    const rows = await fleet.finished(64);
    expect(rows.filter(({ state }) => state === 'done')).toHaveLength(63);
    expect(rows.filter(({ state }) => state === 'parked')).toEqual([
      expect.objectContaining({ event_id: created[40]?.id, reason: 'invalid_output' }),
    ]);
    // Its neighbours did not have to try again.
    const tries = (text: string): number =>
      service.calls.filter((call) => inputOf(call).includes(text)).length;
    expect(tries('text number 0')).toBeLessThanOrEqual(2);
    const attempts = new Set(
      rows.filter(({ state }) => state === 'done').map((row) => row.attempts),
    );
    expect(attempts.size).toBe(1);
    expect(await fleet.published(63)).toHaveLength(63);
    const { state } = await fleet.broker.jsm.streams.info(fleet.config.deadLetters.stream);
    expect(state.messages).toBe(1);
    // The last try is made alone.
    expect(inputOf(service.calls.at(-1) as ModelCall)).toEqual([bad]);
  });

  test('a refused text is parked at once', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    service.respond((call) =>
      inputOf(call).includes('text number 3') ? replies.contextTooLong() : replies.vectors(call),
    );
    await fleet.publishContents(textsUpTo(8));
    await fleet.start(remote(service));
    const rows = await fleet.finished(8);
    expect(rows.filter(({ state }) => state === 'parked')).toEqual([
      expect.objectContaining({ reason: 'invalid_input' }),
    ]);
    const asked = service.calls.filter((call) => inputOf(call).includes('text number 3'));
    // With the others, and alone: none of the calls is a second try.
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test.each(['count', 'length', 'nan', 'zeros'] as const)(
    'an answer that is always wrong (%s) parks, and stores nothing',
    async (fault) => {
      await using service = await startModelService();
      await using fleet = await EmbeddingFleet.create({ 'stages.embedding.maxAttempts': '2' });
      service.respond((call) => replies.vectors(call, fault));
      await fleet.publishContents(textsUpTo(3));
      await fleet.start(remote(service));
      const rows = await fleet.finished(3);
      expect(rows.map(({ state, reason }) => `${state} ${reason}`)).toEqual(
        Array.from({ length: 3 }, () => 'parked invalid_output'),
      );
      expect((await fleet.vectors()).size).toBe(0);
      expect(await fleet.embedded()).toEqual([]);
    },
  );

  test('an answer in another order reaches the right memories', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    service.respond((call) => replies.vectors(call, 'order'));
    await fleet.publishContents(textsUpTo(5));
    await fleet.start(remote(service));
    await fleet.finished(5);
    const vectors = await fleet.vectors();
    for (const text of textsUpTo(5)) {
      expect(Float32Array.from(vectors.get(contentDigest(text)) ?? [])).toEqual(
        Float32Array.from(vectorOf(text, 8)),
      );
    }
  });

  test('an outage parks nothing, splits nothing and uses no attempt', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create({ 'stages.embedding.maxAttempts': '2' });
    service.respond(replies.status(503));
    await fleet.publishContents(textsUpTo(64));
    await fleet.start(remote(service));
    await until('the gate has seen an outage', () => service.calls.length >= 3);
    expect(service.calls.every((call) => inputOf(call).length >= 1)).toBe(true);
    const before = await fleet.work();
    expect(before.every(({ state }) => state === 'claimed')).toBe(true);
    service.respond();
    const rows = await fleet.finished(64);
    expect(rows.every(({ state }) => state === 'done')).toBe(true);
    expect(await fleet.published(64)).toHaveLength(64);
  });

  test('a service that hangs is an outage: the call is given up, the event is not', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create({
      'stages.embedding.ackWait': '6s',
      'stages.embedding.lease': '5s',
      'stages.embedding.deadline': '6s',
      'stages.embedding.maxAttempts': '1',
    });
    service.respond(replies.hang());
    await fleet.publishContents(['One text.']);
    await fleet.start(remote(service));
    await until('the first call was given up', () => service.calls[0]?.abandoned);
    service.respond();
    const [row] = await fleet.finished(1);
    expect(row?.state).toBe('done');
    expect(await fleet.published(1)).toHaveLength(1);
  });

  test('a redelivered event is not embedded again', async () => {
    await using service = await startModelService();
    await using fleet = await EmbeddingFleet.create();
    await fleet.start(remote(service));
    const event = await fleet.publish('memory.created', 'm1', { content: 'Once.' });
    await fleet.finished(1);
    await fleet.stop();
    const { jsm } = fleet.broker;
    const { stream } = fleet.config.log;
    const { durable } = fleet.config.stages.embedding.inputs['content'] ?? { durable: '' };
    await jsm.consumers.delete(stream, durable);
    await provisionTopology(jsm, topologyOf(fleet.config));
    await fleet.start(remote(service));
    await until('it was delivered and acknowledged again', async () => {
      const info = await jsm.consumers.info(stream, durable);
      return info.ack_floor.stream_seq >= 1 && info.num_pending === 0;
    });
    expect(service.calls).toHaveLength(1);
    expect((await fleet.embedded()).map(({ causationid }) => causationid)).toEqual([event.id]);
  });
});
