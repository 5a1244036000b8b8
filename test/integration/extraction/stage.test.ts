import {
  createEvent,
  derivedEventId,
  type MemoryExtracted,
  memoryExtracted,
  registry,
} from '@memfleet/events';
import { ProviderGate, ResultCache } from '@memfleet/models';
import { describe, expect, test } from 'vitest';
import { createExtractor } from '../../../workers/extraction/src/providers/create.ts';
import { extractionStage } from '../../../workers/extraction/src/stage.ts';
import { memoryCreated } from '../../support/events.ts';
import { readLog } from '../../support/log-stream.ts';
import { ONE_FACT, replies, startModelService } from '../../support/model-service.ts';
import { createStageBench, type RunningStage, type StageBench } from '../../support/stage.ts';
import { until } from '../../support/until.ts';

const MODEL = 'stages.extraction.provider.';

/** Settings of the extraction stage for a service on this machine. */
function modelFlags(url: string, rest: Record<string, string> = {}): Record<string, string> {
  return {
    [`${MODEL}kind`]: 'openai-compatible',
    [`${MODEL}baseUrl`]: url,
    [`${MODEL}model`]: 'test-model',
    [`${MODEL}inputPerMillionUsd`]: '2',
    [`${MODEL}outputPerMillionUsd`]: '10',
    ...rest,
  };
}

async function startExtraction(bench: StageBench): Promise<RunningStage> {
  const settings = bench.config.stages.extraction;
  const { provider, batch, linger } = settings;
  const gate = new ProviderGate();
  const cache = new ResultCache(bench.database.pool, { batch, lingerMs: linger });
  return bench.start(extractionStage(await createExtractor(provider), { settings, gate, cache }), {
    gate,
  });
}

/** What the stage wrote to the log. */
async function extracted(bench: StageBench): Promise<MemoryExtracted[]> {
  const stored = await readLog(bench.broker.connection, bench.config.log);
  return stored.flatMap(({ bytes, subject }) => {
    const decoded = registry.decode(bytes, { root: bench.config.log.root, subject });
    return decoded.kind === 'known' && decoded.event.type === 'memory.extracted'
      ? [decoded.event]
      : [];
  });
}

describe('with the local provider', () => {
  test('content becomes facts and entities, with the ids and the lineage of its event', async () => {
    await using bench = await createStageBench();
    const created = memoryCreated('I moved to Lisbon in March and work at Siemens as a nurse.', {
      memory: 'm-1',
      correlationId: '019c1234-0000-7000-8000-000000000001',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      data: {
        content: 'I moved to Lisbon in March and work at Siemens as a nurse.',
        attribution: { role: 'user', name: 'Ada' },
      },
    });
    const revised = createEvent({
      tenant: 'acme',
      memory: 'm-1',
      type: 'memory.revised',
      source: '/test',
      data: { content: 'Ada lives in Porto.' },
    });
    await bench.publish(created, revised);
    await startExtraction(bench);
    await bench.settled();
    const [first, second, ...rest] = await extracted(bench);
    expect(rest).toEqual([]);
    expect(first).toMatchObject({
      id: derivedEventId(created, 'extraction', 1, 0),
      tenantid: 'acme',
      subject: 'm-1',
      causationid: created.id,
      correlationid: '019c1234-0000-7000-8000-000000000001',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01',
      data: {
        cause: { source: '/test', id: created.id, sequence: 1 },
        extractor: { name: 'local' },
        usage: { calls: 0, input_tokens: 0, output_tokens: 0 },
        cost_usd: 0,
        cached: false,
      },
    });
    expect(first?.data.facts.map(({ text }) => text)).toEqual([
      'Ada moved to Lisbon in March.',
      'Ada works at Siemens as a nurse.',
    ]);
    expect(second?.data.facts.map(({ text }) => text)).toEqual(['Ada lives in Porto.']);
    expect(second?.data.cause).toEqual({ source: '/test', id: revised.id, sequence: 2 });
    const { rows } = await bench.database.pool.query('select * from memfleet.result_cache');
    expect(rows).toEqual([]);
  });

  test('nothing found is an event with a reason', async () => {
    await using bench = await createStageBench();
    await bench.publish(memoryCreated('How are you?'));
    await startExtraction(bench);
    await bench.settled();
    const [event] = await extracted(bench);
    expect(event?.data).toMatchObject({ facts: [], entities: [] });
    expect(event?.data.empty_reason).toBe('no statement found');
  });
});

describe('with a model service', () => {
  test('a paid result is recorded with its tokens and cost, and kept by content', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    await bench.publish(memoryCreated('Ada prefers tea.'));
    await startExtraction(bench);
    await bench.settled();
    const [event] = await extracted(bench);
    expect(event?.data).toMatchObject({
      extractor: { name: 'openai-compatible', model: 'test-model' },
      facts: [ONE_FACT],
      usage: { calls: 1, input_tokens: 120, output_tokens: 40 },
      cost_usd: (120 * 2 + 40 * 10) / 1e6,
      cached: false,
    });
    const { rows } = await bench.database.pool.query<{ stage: string; calls: number }>(
      `select cache.stage, work.calls from memfleet.result_cache as cache, memfleet.stage_work as work`,
    );
    expect(rows).toEqual([{ stage: 'extraction', calls: 1 }]);
  });

  test('equal content fifty times makes one call, and another process makes none', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    // Slow enough that the others arrive during the call.
    service.respond((call) => replies.slow(200, replies.right(call)));
    const same = (n: number) => memoryCreated('Ada prefers tea.', { memory: `m-${n}` });
    await bench.publish(...Array.from({ length: 50 }, (_none, n) => same(n)));
    const first = await startExtraction(bench);
    await bench.settled();
    await first.stop();
    expect(service.calls).toHaveLength(1);
    await startExtraction(bench);
    await bench.publish(same(50));
    await bench.settled();
    expect(service.calls).toHaveLength(1);
    const events = await extracted(bench);
    expect(events).toHaveLength(51);
    expect(events.filter(({ data }) => !data.cached)).toHaveLength(1);
    for (const { data } of events) expect(data.facts).toEqual([ONE_FACT]);
    const calls = events.reduce((sum, { data }) => sum + data.usage.calls, 0);
    expect(calls).toBe(1);
  });

  test('the same words by another speaker make another call', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    const by = (name: string) => ({
      data: { content: 'I prefer tea.', attribution: { role: 'user', name } } as const,
    });
    await bench.publish(memoryCreated('', by('Ada')), memoryCreated('', by('Ben')));
    await startExtraction(bench);
    await bench.settled();
    expect(service.calls).toHaveLength(2);
  });

  test('an outage uses no attempts, parks nothing, and drains by itself', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    service.respond(replies.status(503));
    const contents = Array.from({ length: 40 }, (_none, n) => memoryCreated(`Ada has ${n} cats.`));
    await bench.publish(...contents);
    const { progress } = await startExtraction(bench);
    await until('it pauses', () => progress.state.state === 'paused');
    expect(progress.state.cause).toContain('HTTP 503');
    service.respond();
    await bench.settled();
    expect(await extracted(bench)).toHaveLength(40);
    expect(await bench.deadLetters()).toBe(0);
    expect(new Set((await bench.work()).map(({ attempts }) => attempts))).toEqual(new Set([0]));
  });

  test('a rate limit pauses for as long as the service asks', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    service.respond((call, count) =>
      count === 1 ? replies.rateLimited({ 'retry-after-ms': '900' }) : replies.right(call),
    );
    await bench.publish(memoryCreated('Ada prefers tea.'));
    await startExtraction(bench);
    await bench.settled();
    const [limited, next] = service.calls;
    expect((next?.at ?? 0) - (limited?.at ?? 0)).toBeGreaterThanOrEqual(890);
    expect(await bench.work()).toMatchObject([{ state: 'done', attempts: 0 }]);
  });

  test('a refused key pauses the stage with a cause, until the key is fixed', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    service.respond(
      replies.error(401, 'invalid_api_key', 'no such key', { 'retry-after-ms': '400' }),
    );
    await bench.publish(memoryCreated('Ada prefers tea.'), memoryCreated('Ben prefers coffee.'));
    const { progress } = await startExtraction(bench);
    await until('it pauses', () => progress.state.state === 'paused');
    expect(progress.state.cause).toContain('invalid_api_key');
    service.respond();
    await bench.settled();
    expect(await extracted(bench)).toHaveLength(2);
    expect(await bench.deadLetters()).toBe(0);
  });

  test('events whose answers never fit are parked after the last attempt; their neighbours are not', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(
      modelFlags(service.url, { 'stages.extraction.maxAttempts': '2' }),
    );
    service.respond((call) =>
      JSON.stringify(call.body).includes('poison') ? replies.chat('no idea') : replies.right(call),
    );
    await bench.publish(memoryCreated('poison'), memoryCreated('Ada prefers tea.'));
    await startExtraction(bench);
    await bench.settled();
    const poisoned = service.calls.filter(({ body }) => JSON.stringify(body).includes('poison'));
    // Each try makes a call and a second one to repair its answer; all of them are paid for.
    expect(poisoned).toHaveLength(4);
    const { rows: spent } = await bench.database.pool.query<{ calls: number; tokens: number }>(
      `select calls::int, (input_tokens + output_tokens)::int as tokens
       from memfleet.spend where tenant = 'acme'`,
    );
    expect(spent).toEqual([{ calls: 5, tokens: 5 * 160 }]);
    expect(await bench.deadLetters()).toBe(1);
    expect(await bench.work()).toMatchObject([
      { state: 'parked', reason: 'invalid_output' },
      { state: 'done' },
    ]);
    const { rows } = await bench.database.pool.query('select * from memfleet.result_cache');
    expect(rows).toHaveLength(1);
  });

  test('a text that the model cannot accept is parked at once', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    service.respond(replies.contextTooLong());
    await bench.publish(memoryCreated('Ada prefers tea.'));
    await startExtraction(bench);
    await bench.settled();
    expect(service.calls).toHaveLength(1);
    expect(await bench.deadLetters()).toBe(1);
    expect(await bench.work()).toMatchObject([{ state: 'parked', reason: 'invalid_input' }]);
  });

  test('for any answer of a model, the log only gets events that satisfy the schema', async () => {
    await using service = await startModelService();
    await using bench = await createStageBench(modelFlags(service.url));
    service.respond(
      replies.chat({
        facts: [
          { ...ONE_FACT, text: `x\u0000${'y'.repeat(9_000)}`, confidence: 95 },
          { text: 'no parts' },
        ],
        entities: [{ name: 'Ada', type: 'HUMAN', mentions: -4 }, 'Ben'],
        empty_reason: null,
        extra: { deep: [] },
      }),
    );
    await bench.publish(memoryCreated('Ada prefers tea.'));
    await startExtraction(bench);
    await bench.settled();
    const [event] = await extracted(bench);
    expect(memoryExtracted.latest.safeParse(event?.data).success).toBe(true);
    expect(event?.data.facts).toHaveLength(1);
    expect(event?.data.facts[0]).toMatchObject({ confidence: 0.95 });
    expect(event?.data.entities).toEqual([{ name: 'Ada', type: 'person', mentions: 1 }]);
  });
});
